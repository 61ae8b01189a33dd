"""Labels of classes from a file beside a spec, or named on the command line."""

import json
import sys

import pytest

from resnet_gen.language.labels import read_labels
from resnet_gen.language.load import list_spec_files, load
from resnet_gen.language.statements import lock_settings
from resnet_gen.problems import Refused
from tests.helpers.onnx_runs import TINY


@pytest.fixture
def spec(tmp_path):
    """A spec that has its labels from a file in a folder below."""
    (tmp_path / "data").mkdir()
    path = tmp_path / "net.yaml"
    path.write_text(f"name: net\nextends: {TINY}\nserve: {{labels: data/names.txt}}\n")
    return path


def write(spec, data):
    (spec.parent / "data" / "names.txt").write_bytes(data)


READ = {
    "plain": b"cat\ndog\nbird\n",
    "without an end": b"cat\ndog\nbird",
    "windows": b"\xef\xbb\xbfcat\r\ndog\r\nbird\r\n",
    "blank lines at the end": b"cat\ndog\nbird\n\n\n",
    "spaces around": b"  cat \n\tdog\nbird\n",
}


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_a_label_is_a_line(data, spec):
    write(spec, data)
    assert load(str(spec)).spec.serve.labels == ("cat", "dog", "bird")


def test_labels_may_be_alike_as_some_of_imagenet_s_are(spec):
    write(spec, b"crane\ncrane\nmaillot, tank suit\n")
    assert load(str(spec)).spec.serve.labels == ("crane", "crane", "maillot, tank suit")


REFUSED = {
    b"": "holds no labels",
    b"cat\n\nbird\n": "a blank line among labels",
    b"cat\nd\x07g\nbird\n": "a label: the character U+0007 cannot be printed",
    b"cat\ndog\n" + b"b" * 201: "a label of 201 characters",
    b"\xff\xfea\x00": "encoded as UTF-16",
    b"caf\xe9": "not UTF-8 text",
}


@pytest.mark.parametrize("data", REFUSED)
def test_another_file_is_refused_at_its_line(data, spec):
    write(spec, data)
    with pytest.raises(Refused) as refused:
        load(str(spec))
    problem = refused.value.problems[0]
    assert problem.message.startswith(REFUSED[data])
    assert str(problem.where).startswith(str(spec.parent / "data" / "names.txt"))
    if b"\n" in data and len(data) > 1:
        line = next(n for n, text in enumerate(data.split(b"\n"), 1) if not text or b"\x07" in text or len(text) > 200)
        assert f":{line}:" in str(problem.where)


def test_a_file_is_read_from_beside_the_spec_that_names_it_and_by_a_setting_from_here(spec, tmp_path, monkeypatch):
    write(spec, b"cat\ndog\nbird\n")
    child = tmp_path / "below"
    child.mkdir()
    (child / "child.yaml").write_text("name: child\nextends: ../net.yaml\n")
    assert load(str(child / "child.yaml")).spec.serve.labels[0] == "cat"
    (child / "more.txt").write_text("a\nb\nc\n")
    monkeypatch.chdir(child)
    assert load(str(spec), ["serve.labels=more.txt"]).spec.serve.labels == ("a", "b", "c")
    assert spec.parent / "data" / "names.txt" in list_spec_files(str(spec))


def test_what_is_built_is_another_for_other_labels_and_the_lock_has_their_hash(spec):
    write(spec, b"cat\ndog\nbird\n")
    first = load(str(spec))
    write(spec, b"cat\ndog\nduck\n")
    second = load(str(spec))
    assert first.digest() != second.digest()
    assert json.loads(second.canonical())["serve"]["labels"][2] == "duck"
    (ours, theirs) = (lock_settings(loaded)["serve.labels"] for loaded in (first, second))
    assert ours != theirs
    assert len(ours) < 100


def test_the_text_of_a_file_is_all_that_counts(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("a\nb\n")
    assert read_labels(path, "names.txt") == ["a", "b"]


def count_calls(path):
    """How many functions of Python's a load calls."""
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        load(path)
    finally:
        sys.setprofile(None)
    return calls


def test_a_label_costs_a_few_calls_however_many_there_are(spec):
    """Those of ImageNet-21k and more are read at each start of a command."""
    few, many = 1_000, 3_000
    counted = {}
    for number in (few, few, many):  # the first load of all reads what others keep
        spec.write_text(f"name: net\nextends: {TINY}\nhead: {{classes: {number}}}\nserve: {{labels: data/names.txt}}\n")
        write(spec, b"".join(b"class %d\n" % index for index in range(number)))
        counted[number] = count_calls(str(spec))
    assert counted[many] - counted[few] <= 3 * (many - few)
    assert load(str(spec)).spec.serve.labels[-1] == "class 2999"
