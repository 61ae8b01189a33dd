"""What a command reads, it never writes over, whichever option names it and by whatever name."""

from pathlib import Path

import onnx
import pytest

SPEC = "name: mine\nextends: parent.yaml\n"


@pytest.fixture
def project(tmp_path, monkeypatch, cli):
    """A folder with a spec, its parent, its model and that model's weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parent.yaml").write_text("name: parent\nextends: cifar-resnet20\nstages: {depths: [1, 1, 1]}\n")
    (tmp_path / "mine.yaml").write_text(SPEC)
    assert cli("build", "mine.yaml", "-o", ".")[0] == 0
    assert cli("import", "mine.onnx", "-o", "other.yaml", "--weights", "w.safetensors")[0] == 0
    for name in ("link.onnx", "link.safetensors"):
        (tmp_path / name).symlink_to("mine.onnx")
    return tmp_path


def answer_without_change(folder, cli, command):
    """What a command answers, which changes no file."""
    before = contents(folder)
    answer = cli(*command.split())
    assert contents(folder) == before
    return answer


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "command",
    [
        "verify mine.yaml --against mine.onnx -o mine.onnx",
        "verify mine.yaml --against mine.onnx -o link.onnx",
        "verify mine.yaml --against mine.onnx --weights w.safetensors --format json -o w.safetensors",
        "verify mine.yaml -o mine.yaml",
        "verify mine.yaml -o parent.yaml",
        "diff mine.yaml mine.onnx -o mine.onnx",
        "diff mine.yaml mine.onnx -o mine.yaml",
        "diff mine.yaml --set activation=silu -o parent.yaml",
        "bench mine.onnx --repeat 1 -o mine.onnx",
        "bench mine.onnx --repeat 1 --against ./link.onnx --plot a.svg -o mine.onnx",
        "bench mine.yaml --repeat 1 -o parent.yaml",
        "bench mine.yaml --repeat 1 --weights w.safetensors -o w.safetensors",
        "import mine.onnx -o mine.onnx --force",
        "import mine.onnx -o new.yaml --weights link.safetensors --force",
        "import w.safetensors -o w.safetensors --force",
    ],
)
def test_a_file_that_is_read_is_no_output(project, cli, command):
    code, out, err = answer_without_change(project, cli, command)
    output = command.split("-o ")[1].split()[0] if "new.yaml" not in command else "link.safetensors"
    assert (code, out, err) == (2, "", f"{output}: error: cannot be written: the command reads it\n")


@pytest.fixture
def named(project, cli):
    """The same with files that those name in turn: a device, the data of a model, a parent of a spec without suffix."""
    device = "t4.yaml", (Path(__file__).parents[2] / "specs/targets/t4.yaml").read_text()
    (project / "devs").mkdir()
    (project / "devs" / device[0]).write_text(device[1])
    (project / "costly.yaml").write_text(SPEC + "budgets: {latency: {target: devs/t4.yaml, max: 100}}\n")
    (project / "plain").write_text(SPEC)
    (project / "resnet-gen.toml").write_text('[budgets."mine"]\nlatency = {target = "devs/t4.yaml", max = 100.0}\n')
    file = onnx.load("mine.onnx")
    onnx.save(file, "large.onnx", save_as_external_data=True, location="large.safetensors", size_threshold=1024)
    return project


@pytest.mark.parametrize(
    "command",
    [
        "verify costly.yaml --no-config --format json -o devs/t4.yaml",
        "verify mine.yaml --format json -o devs/t4.yaml",
        "verify ./plain --no-config -o parent.yaml",
        "verify mine.yaml --no-config --against large.onnx -o large.safetensors",
        "diff mine.yaml large.onnx -o large.safetensors",
        "diff ./plain mine.yaml -o parent.yaml",
        "bench large.onnx --repeat 1 -o large.safetensors",
        "bench large.onnx --repeat 1 -o large.onnx",
        "import large.onnx -o large.safetensors --force",
        "import large.onnx -o new.yaml --weights large.safetensors --force",
    ],
)
def test_nor_one_that_is_named_by_what_is_read(named, cli, command):
    code, _, err = answer_without_change(named, cli, command)
    assert code == 2
    assert err.endswith(": error: cannot be written: the command reads it\n")


def test_what_another_command_of_the_process_has_read_is_none_of_its_own(project, cli):
    assert cli("verify", "mine.yaml")[0] == 0
    assert cli("verify", "resnet18", "-o", "parent.yaml")[0] == 0
    assert "ok     resnet18" in (project / "parent.yaml").read_text()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
@pytest.mark.parametrize("command", ["verify mine.yaml", "diff mine.yaml parent.yaml"])
def test_a_name_of_an_open_stream_is_no_file(project, cli, command, name):
    code, out, err = cli(*command.split(), "-o", name)
    assert (code, out) == (2, "")
    assert err.endswith(" cannot be written: not a file\nhint: without it, or as '-', the output goes to stdout\n")


def test_a_dash_is_stdout(project, cli):
    assert cli("diff", "mine.yaml", "parent.yaml", "-o", "-") == cli("diff", "mine.yaml", "parent.yaml")


@pytest.mark.parametrize(
    "command", ["import mine.onnx -o new/", "verify mine.yaml -o new/", "diff mine.yaml mine.onnx -o new/"]
)
def test_a_folder_that_is_not_there_is_no_file_of_that_name(project, cli, command):
    code, _, err = cli(*command.split())
    assert code == 2
    assert "there is no folder 'new/'." in err
    assert not (project / "new").exists()
