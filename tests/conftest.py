"""What tests of the command line share."""

import pytest

from resnet_gen.cli import main


@pytest.fixture
def cli(capsys):
    """Runs a command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err

    return run
