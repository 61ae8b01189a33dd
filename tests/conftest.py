"""What tests of the command line share."""

import signal

import pytest
from hypothesis import settings

from resnet_gen.cli import main

settings.register_profile("all", max_examples=4 * settings.get_profile("default").max_examples)


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """A shell that starts the tests in the background has them, and what they start, ignore interruptions."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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
