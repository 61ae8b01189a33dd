"""No command writes through a link that a repository brings: not the files, nor the folders that they are put into."""

from pathlib import Path

import pytest

from tests.compare.test_review import git
from tests.helpers.varied import spread

TINY = Path(__file__).parents[1] / "fixtures" / "checkpoints" / "tiny.yaml"
WEIGHTS = TINY.with_name("float32.safetensors")
FOLDERS = [
    "build tiny.yaml -o {}", "build tiny.yaml --target report -o {}", "build tiny.yaml --target triton --for cpu -o {}",
    "build tiny.yaml --for jetson-nano -o {}", "build tiny.yaml --precision int8 --calibration random --qdq cpu -o {}",
    "generate tiny.yaml --to pytorch -o {}", "generate tiny.yaml --to flax -o {}", "generate tiny.yaml --to card -o {}",
    "generate tiny.yaml --to cpp -o {}", "generate tiny.yaml --to triton -o {}", "init mine -o {}",
    "weights convert tiny.yaml float32.safetensors --to timm -o {}/w.npz", "import built/tiny.onnx -o {}/net.yaml",
    "import built/tiny.onnx -o net.yaml --weights {}/w.safetensors", "lock tiny.yaml --lock {}/x.lock",
    "verify tiny.yaml --format sarif -o {}/x.sarif", "diff tiny.yaml resnet18 -o {}/x.txt",
]  # fmt: skip
PLACES = ["link", "inner/link", "link/deep/er", "chain", "inner/../link"]


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder beside the repository that is the working folder, and links that lead there."""
    work, there = tmp_path / "work", tmp_path / "there"
    for folder in (work / "inner", there):
        folder.mkdir(parents=True)
    for file in (TINY, WEIGHTS):
        (work / file.name).write_bytes(file.read_bytes())
    (work / "link").symlink_to(there)
    (work / "inner/link").symlink_to("../link")
    (work / "chain").symlink_to("inner/link")
    git(work, "init", "-q")
    monkeypatch.chdir(work)
    return there


@pytest.mark.parametrize(
    ("command", "place"), spread([(command, place) for command in FOLDERS for place in PLACES], 24)
)
def test_no_command_writes_through_a_link(elsewhere, cli, command, place):
    if "built/" in command:
        assert cli("build", "tiny.yaml", "-o", "built")[0] == 0
    code, _, err = cli(*command.format(place).split())
    assert code == 2, err
    assert list(elsewhere.iterdir()) == []
    assert "leads out of the repository" in err or "there is no such folder" in err


@pytest.mark.parametrize(
    ("command", "link"),
    [
        ("build tiny.yaml --target triton --for cpu -o b", "b/tiny/1"),
        ("build tiny.yaml --target triton --for cpu -o b", "b/tiny"),
        ("build tiny.yaml --target report -o b", "b/tiny"),
        ("generate tiny.yaml --to cpp -o b", "b/tiny"),
        ("generate tiny.yaml --to triton -o b", "b/tiny"),
    ],
)
def test_no_folder_inside_of_an_output_is_a_link(elsewhere, cli, command, link):
    Path(link).parent.mkdir(parents=True)
    Path(link).symlink_to(elsewhere)
    assert cli(*command.split())[0] == 2
    assert list(elsewhere.iterdir()) == []


def test_links_that_stay_in_the_repository_are_folders_as_others(elsewhere, cli):
    Path("near").symlink_to("inner")
    assert cli("build", "tiny.yaml", "-o", "near")[0] == 0
    assert Path("inner/tiny.onnx").is_file()


def test_a_folder_elsewhere_that_is_named_itself_is_written_to(elsewhere, cli):
    assert cli("build", "tiny.yaml", "-o", elsewhere)[0] == 0
    assert (elsewhere / "tiny.onnx").is_file()
