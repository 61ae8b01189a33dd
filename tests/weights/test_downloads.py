"""Published weights: names, and what becomes of a download that goes well or badly; the server is on this machine."""

import errno
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_gen import build_graph, convert_weights, emit_onnx
from resnet_gen.language.load import load
from resnet_gen.problems import Refused
from resnet_gen.weights import checkpoint
from resnet_gen.weights.downloads import settings
from resnet_gen.weights.downloads.location import find_network, locate_weights
from resnet_gen.weights.downloads.names import WeightsName, parse_weights
from resnet_gen.weights.downloads.torchvision_files import TORCHVISION_FILES
from resnet_gen.weights.references import references_of
from tests.weights.server import serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A server, whose files are kept in a folder of the test's; some bytes are published of each library."""
    for library in ("pooch", "huggingface_hub"):
        pytest.importorskip(library)
    for name in ("RESNET_GEN_OFFLINE", "HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RESNET_GEN_CACHE", str(tmp_path / "cache"))
    with serve() as server:
        monkeypatch.setenv("RESNET_GEN_TORCHVISION_URL", f"{server.url}/models")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def tiny(here, monkeypatch):
    """Weights of the digits network, published as torchvision's `tiny` and on the hub; returns their bytes."""
    content = io.BytesIO()
    shapes = {name: tensor.shape for name, tensor in build_graph("resnet8-digits").state().items()}
    np.savez(content, **{name: np.full(shape, 0.5, np.float32) for name, shape in shapes.items()})
    content = content.getvalue()
    name = f"tiny-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(TORCHVISION_FILES, "tiny", {"V1": name})
    here.publish(f"/models/{name}", content)
    here.publish_on_hub("owner/tiny", "main", "model.safetensors", content, COMMIT)
    return content


def fetch(name="torchvision:tiny.V1", spec=None):
    return locate_weights(parse_weights(name), spec and load(spec))


def refusal(name="torchvision:tiny.V1", spec=None):
    with pytest.raises(Refused) as caught:
        fetch(name, spec)
    return caught.value.problems[0]


def path_of_torchvision(server):
    (path,) = (path for path in server.files if "models" in path)
    return path


def kept(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").rglob("*") if path.is_file())


# Names


@pytest.mark.parametrize(
    ("text", "found"),
    {
        "torchvision:IMAGENET1K_V2": {"tag": "IMAGENET1K_V2"},
        "torchvision:resnet50.IMAGENET1K_V1": {"network": "resnet50", "tag": "IMAGENET1K_V1"},
        "timm:a1_in1k": {"tag": "a1_in1k"},
        "timm:resnet50.a1_in1k@v1.0": {"network": "resnet50", "tag": "a1_in1k", "revision": "v1.0"},
        "hf:timm/resnet50.a1_in1k": {"repository": "timm/resnet50.a1_in1k"},
        "hf:microsoft/resnet-50@refs/pr/4": {"repository": "microsoft/resnet-50", "revision": "refs/pr/4"},
        f"hf:a/b@{COMMIT}:weights/x.pth": {"repository": "a/b", "revision": COMMIT, "file": "weights/x.pth"},
    }.items(),
)
def test_names(text, found):
    assert parse_weights(text) == WeightsName(text, text.partition(":")[0], **found)


@pytest.mark.parametrize("text", ["resnet50.pth", "./hf:a/b", "folder/timm:x", "torchvision", r"C:\weights.pth"])
def test_files_are_no_names(text):
    assert str(parse_weights(text)) == text.removeprefix("./")


@pytest.mark.parametrize(
    "text",
    [
        "torchvision:", "timm:", "hf:", "hf:resnet-50", "hf:a/b/c", "hf:a/../b", "hf:a/b@..", "hf:a/b@x/../y",
        "hf:a/b:../x", "hf:a/b:x/../../y", "hf:a/b:/etc/passwd", "hf:a/b@", "hf:-a/b", "hf:a/b?x=1", "hf:a/b#x",
        "torchvision:a/b", "timm:../x", "hf:a/b\n", f"hf:a/{'b' * 1000}", "hf:a/" + "b." * 190 + "@",
    ],
)  # fmt: skip
def test_what_begins_as_a_name_and_is_none(text):
    with pytest.raises(Refused, match="no name of published weights"):
        parse_weights(text)


def test_a_path_is_never_fetched(here, tiny, tmp_path, monkeypatch):
    """What a spec or a project names becomes a path, so that nobody's pull request can fetch anything."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="No such file"):
        emit_onnx("resnet8-digits", "x.onnx", weights=Path("torchvision:tiny.V1"))
    assert here.asked == []


def test_only_words_of_the_command_line_and_arguments_become_names():
    from tests.house.rooms import MODULES

    uses = {name for name, path in MODULES.items() if re.search(r"\bparse_weights\(", path.read_text(encoding="utf-8"))}
    assert uses == {
        "resnet_gen.weights.downloads.names", "resnet_gen.cli.options", "resnet_gen.cli.weights",
        "resnet_gen.api.arguments",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "name", "network"),
    [
        ("resnet18", "torchvision:IMAGENET1K_V1", "resnet18"),
        ("resnet18", "timm:a1_in1k", "resnet18"),
        ("seresnet50", "timm:a1_in1k", "seresnet50"),
        ("resnet50", "timm:resnet50d.a1_in1k", "resnet50d"),
    ],
)
def test_the_spec_says_which_network(spec, name, network):
    assert find_network(parse_weights(name), load(spec)) == network


def test_a_spec_for_other_classes_keeps_its_network():
    """As what `weights convert --head init` changes."""
    loaded = load("resnet18", ["head.classes=10"])
    assert find_network(parse_weights("torchvision:IMAGENET1K_V1"), loaded) == "resnet18"


@pytest.mark.parametrize(
    ("spec", "name", "message"),
    [
        ("resnet50", "torchvision:IMAGENET1K_V9", "'IMAGENET1K_V9' of 'resnet50' are not known"),
        ("resnet50", "torchvision:densenet121.IMAGENET1K_V1", "weights of 'densenet121' are not known"),
        ("resnet8-digits", "torchvision:IMAGENET1K_V1", "no network of torchvision is known as 'resnet8-digits'"),
        (None, "timm:a1_in1k", "of which network?"),
    ],
)
def test_what_is_not_known(here, spec, name, message):
    problem = refusal(name, spec)
    assert message in problem.message
    assert problem.hint
    assert here.asked == []


def test_files_are_of_published_networks_and_name_their_hash():
    networks = {reference.name.partition("/")[2] for reference in references_of("torchvision")}
    assert networks <= {*TORCHVISION_FILES}
    for files in TORCHVISION_FILES.values():
        for file in files.values():
            assert len(bytes.fromhex(file.rpartition("-")[2].removesuffix(".pth"))) == 4


def test_the_table_is_torchvisions():
    """By its source, which need not be imported: that loads torch."""
    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed")
    published = {}
    for module in ("resnet", "regnet", "vgg"):
        text = (Path(found.origin).parent / "models" / f"{module}.py").read_text(encoding="utf-8")
        for network, body in re.findall(r"^class (\w+)_Weights\(.*\n((?:(?:    .*)?\n)+)", text, re.MULTILINE):
            files = re.findall(r"^    (\w+) = Weights\(\s+url=\"[^\"]*/(.+?)\"", body, re.MULTILINE)
            published[network.lower()] = {tag: file for tag, file in files if tag != "IMAGENET1K_FEATURES"}
    assert published == TORCHVISION_FILES


# Of torchvision


def test_fetched_once(here, tiny, tmp_path):
    heard = []
    token = settings.announce.set(heard.append)
    found = fetch()
    settings.announce.reset(token)
    assert found.path.read_bytes() == tiny
    assert found.origin == {"name": "torchvision:tiny.V1"}
    assert heard == [f"fetching {here.url}/models/{found.path.name}"]
    here.files.clear()
    assert fetch() == found
    assert len(here.asked) == 1
    assert kept(tmp_path) == [found.path.name]


def test_cut_off_and_gone_on_with(here, tiny, tmp_path):
    here.cut = 40_000
    problem = refusal()
    assert "cut off" in problem.message
    assert "32,768 bytes are here" in problem.hint
    assert kept(tmp_path) == ["part"]
    assert fetch().path.read_bytes() == tiny
    assert here.asked[-1][2] == "bytes=32768-"
    assert kept(tmp_path) == [fetch().path.name]


def test_gone_on_with_where_the_server_begins_anew(here, tiny):
    here.cut, here.ranges = 40_000, False
    refusal()
    assert fetch().path.read_bytes() == tiny
    assert len(here.asked) == 2


def test_an_end_that_does_not_go_with_its_beginning(here, tiny, tmp_path):
    here.cut = 40_000
    refusal()
    (part,) = (tmp_path / "cache").rglob("part")
    part.write_bytes(bytes(5000))
    assert fetch().path.read_bytes() == tiny


@pytest.mark.parametrize("there", ["whole", "more"])
def test_a_part_that_is_whole_already(here, tiny, there, tmp_path):
    here.cut = 40_000
    refusal()
    (part,) = (tmp_path / "cache").rglob("part")
    part.write_bytes(tiny + b"more" * (there == "more"))
    assert fetch().path.read_bytes() == tiny


@pytest.mark.parametrize("wrong", [b"", b"another", b"\0" * 300_000])
def test_another_hash(here, tiny, wrong, tmp_path):
    path = path_of_torchvision(here)
    here.files[path] = wrong
    problem = refusal()
    assert "SHA-256 begins with" in problem.message
    assert kept(tmp_path) == []


def test_a_damaged_file_is_fetched_anew(here, tiny):
    path = fetch().path
    path.write_bytes(tiny[:-1])
    assert fetch().path.read_bytes() == tiny


@pytest.mark.parametrize(("more", "message"), [(1000, "cut off"), (-1000, "SHA-256 begins with")])
def test_another_size_than_is_said(here, tiny, more, message):
    here.length = len(tiny) + more
    assert message in refusal().message
    here.length = None
    assert fetch().path.read_bytes() == tiny


@pytest.mark.parametrize("length", [settings.LARGEST + 1, 10**30])
def test_more_bytes_than_are_fetched(here, tiny, length, tmp_path):
    here.length = length
    assert "at most" in refusal().message
    assert kept(tmp_path) == []


def test_more_bytes_than_are_said(here, tiny, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "LARGEST", len(tiny) - 1)
    path = path_of_torchvision(here)
    here.headers[path] = {"Transfer-Encoding": "identity"}
    assert "at most" in refusal().message


def test_a_full_disk(here, tiny, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    assert "10 are free" in refusal().message


@pytest.mark.parametrize("name", ["torchvision:tiny.V1", "hf:owner/tiny"])
def test_a_cache_that_cannot_be(here, tiny, name, tmp_path, monkeypatch):
    """A file stands where its folder should: what is said is of this machine, not of the network."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    monkeypatch.setenv("RESNET_GEN_CACHE", str(tmp_path / "file"))
    problem = refusal(name)
    assert problem.message == f"cannot be used: {os.strerror(errno.ENOTDIR)}"
    assert problem.where.startswith(str(tmp_path / "file"))
    assert problem.hint == "RESNET_GEN_CACHE names another folder for what is fetched"
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX'")
@pytest.mark.parametrize("name", ["torchvision:tiny.V1", "hf:owner/tiny"])
def test_a_disk_that_fills_up_meanwhile(here, tiny, name):
    """A limit of the process stands for it: the writing fails, whatever was free before; the next try has the file."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        problem = refusal(name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert problem.message == f"cannot be used: {os.strerror(errno.EFBIG)}"
    assert fetch(name).path.read_bytes() == tiny


def test_a_download_that_waits_and_cannot_be_written(here, tiny, tmp_path):
    here.cut, here.cuts = 40_000, 1
    refusal()
    (part,) = (tmp_path / "cache").rglob("part")
    part.unlink()
    part.mkdir()
    assert refusal().message == f"cannot be used: {os.strerror(errno.EISDIR)}"


def test_a_hub_cache_where_nothing_can_be_written(here, tiny, tmp_path, monkeypatch):
    """What is there is used, if it is what the branch is now; what is not is refused with the reason."""
    hub = importlib.import_module("huggingface_hub")

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "cache"))

    fetch("hf:owner/tiny")
    monkeypatch.setattr(hub, "hf_hub_download", denied)
    assert fetch("hf:owner/tiny").path.read_bytes() == tiny
    here.publish_on_hub("owner/tiny", "main", "model.safetensors", b"new", COMMIT[::-1])
    assert refusal("hf:owner/tiny").message == "cannot be used: Permission denied"


def test_a_page_in_place_of_a_file(here, tiny, tmp_path):
    """As a proxy answers that wants somebody to sign in."""
    page = b"<!DOCTYPE html><html><body>Sign in</body></html>"
    here.files[path_of_torchvision(here)] = page
    assert "SHA-256 begins with" in refusal().message
    assert kept(tmp_path) == []
    here.publish_on_hub("owner/page", "main", "model.safetensors", page, COMMIT)
    with pytest.raises(Refused, match="not a file of weights, or damaged"):
        checkpoint.read(fetch("hf:owner/page").path)


def test_a_server_that_says_nothing(here, tiny, monkeypatch):
    monkeypatch.setattr(settings, "TIMEOUT", 0.1)
    here.delay = 0.5
    assert "no answer within 0.1 s" in refusal().message


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses(here, tiny, status):
    here.status = status
    assert f"the server answers {status}" in refusal().message


def test_no_server(here, tiny, monkeypatch):
    monkeypatch.setenv("RESNET_GEN_TORCHVISION_URL", "http://user:secret@127.0.0.1:1")
    problem = refusal()
    assert "cannot be reached" in problem.message
    assert "secret" not in str(problem)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/x", "file:///etc", "models", "http://", "http://a:b:c", "http://[::1"]
)
@pytest.mark.parametrize(
    ("variable", "name"), [("RESNET_GEN_TORCHVISION_URL", "torchvision:tiny.V1"), ("HF_ENDPOINT", "hf:owner/tiny")]
)
def test_a_mirror_that_is_none(here, tiny, monkeypatch, url, variable, name):
    monkeypatch.setenv(variable, url)
    assert f"{variable}: '{url}' is no http or https address" in refusal(name).message


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HF_ENDPOINT", "http://a:b:c", "HF_ENDPOINT: 'http://a:b:c' is no http or https address"),
        ("HF_HUB_ETAG_TIMEOUT", "soon", "cannot be loaded"),
    ],
)
def test_what_the_library_reads_when_it_is_imported(here, tiny, variable, value, said):
    """In a process of its own: this one may have imported it. What it refuses once does not stay."""
    right = here.url if variable == "HF_ENDPOINT" else "10"
    code = (
        "import os\nfrom tests.weights.test_downloads import fetch, refusal\n"
        "print(refusal('hf:owner/tiny').message)\n"
        f"os.environ[{variable!r}] = {right!r}\n"
        "print(fetch('hf:owner/tiny').path.name)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {variable: value}, capture_output=True, text=True, check=True
    )
    assert said in told.stdout
    assert told.stdout.endswith("model.safetensors\n")


def test_another_host(here, tiny):
    path = path_of_torchvision(here)
    with serve() as other:
        other.publish("/x", tiny)
        here.redirects[path] = f"{other.url}/x"
        assert fetch().path.read_bytes() == tiny
        assert other.asked == [("GET", "/x", None)]


ODD_ADDRESSES = [
    "http://[::1", "http://a:b:c/", "http://127.0.0.1:0/", "http://", "http://.a/", "http://\xe9/", "//", "", "\x7f",
    f"http://{'a' * 300}.com/", "ftp://127.0.0.1/x", "file:///etc/passwd",
]  # fmt: skip


@pytest.mark.parametrize("address", ODD_ADDRESSES)
def test_sent_to_what_is_no_address(here, tiny, address, tmp_path):
    here.redirects[path_of_torchvision(here)] = address
    here.redirects["/owner/tiny/resolve/main/model.safetensors"] = address
    for name in ("torchvision:tiny.V1", "hf:owner/tiny"):
        assert refusal(name).message
    assert kept(tmp_path) == []


def test_in_circles(here, tiny):
    path = path_of_torchvision(here)
    here.redirects[path] = path
    assert "from one address to the next" in refusal().message


@pytest.mark.parametrize("location", ["http://a/x", "HTTP://a/x", " http://a/x"])
def test_from_https_to_http(tmp_path, location):
    from resnet_gen.weights.downloads.http import PartFile

    answer = type("Answer", (), {"is_redirect": True, "url": "https://a/x", "headers": {"location": location}})
    answer.close, answer.ok = list, True
    with PartFile(tmp_path / "part") as part, pytest.raises(Refused, match="from https to http"):
        part.check_response(answer)


@pytest.mark.parametrize("name", ["RESNET_GEN_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline(here, tiny, monkeypatch, name, tmp_path):
    monkeypatch.setenv(name, "1")
    problem = refusal()
    assert "nothing may be fetched" in problem.message
    assert "put it there" in problem.hint
    place = tmp_path / "cache" / "torchvision" / TORCHVISION_FILES["tiny"]["V1"]
    assert problem.where == str(place)
    place.parent.mkdir(parents=True)
    place.write_bytes(tiny)
    assert fetch().path == place
    assert here.asked == []


def test_two_processes_at_once(here, tiny, tmp_path):
    here.delay, name, prefix = 0.2, TORCHVISION_FILES["tiny"]["V1"], hashlib.sha256(tiny).hexdigest()[:8]
    code = f"""
from resnet_gen.weights.downloads.http import fetch_file
from pathlib import Path
fetch_file({f"{here.url}/models/{name}"!r}, {prefix!r}, Path({str(tmp_path / "cache")!r}))
"""
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [other.wait() for other in others] == [0, 0]
    assert kept(tmp_path) == [name]
    if sys.platform != "win32":  # where no folder can be locked
        assert len(here.asked) == 1


# Of the hub


def test_a_branch_is_pinned_and_said(here, tiny, tmp_path):
    heard = []
    token = settings.announce.set(heard.append)
    found = fetch("hf:owner/tiny")
    settings.announce.reset(token)
    assert found.path.read_bytes() == tiny
    assert found.origin == {"name": "hf:owner/tiny", "revision": COMMIT}
    assert f"main of owner/tiny is commit {COMMIT}: hf:owner/tiny@{COMMIT}:model.safetensors names it for good" in heard


def test_a_branch_that_moves_meanwhile(here, tiny):
    """The commit in the manifest is that of the file."""
    here.commits = ["f" * 40]
    assert fetch("hf:owner/tiny").origin["revision"] == COMMIT


def test_a_commit_is_fetched_once(here, tiny):
    found = fetch(f"hf:owner/tiny@{COMMIT}")
    here.files.clear()
    before = len(here.asked)
    assert fetch(f"hf:owner/tiny@{COMMIT}") == found
    assert len(here.asked) == before


def test_the_files_that_weights_are_in(here, tiny):
    here.publish_on_hub("owner/old", "main", "pytorch_model.bin", tiny, COMMIT)
    here.publish_on_hub("owner/own", "main", "a/b.npz", tiny, COMMIT)
    assert fetch("hf:owner/old").path.name == "pytorch_model.bin"
    assert "has no file model.onnx at main" in refusal("hf:owner/own:model.onnx").message
    assert fetch(f"hf:owner/own@{COMMIT}:a/b.npz").path.read_bytes() == tiny


def test_other_bytes_than_the_hub_says(here, tiny):
    for path in here.files:
        here.files[path] = tiny[:-1] + b"?"
    assert "has other bytes than the hub says" in refusal("hf:owner/tiny").message
    for path in here.files:
        here.files[path] = tiny
    assert fetch("hf:owner/tiny").path.read_bytes() == tiny


def test_a_cache_that_was_changed(here, tiny):
    path = fetch(f"hf:owner/tiny@{COMMIT}").path
    path.resolve().write_bytes(b"other")
    assert "has other bytes" in refusal(f"hf:owner/tiny@{COMMIT}").message
    assert fetch(f"hf:owner/tiny@{COMMIT}").path.read_bytes() == tiny


def test_offline_from_the_cache(here, tiny, monkeypatch):
    monkeypatch.setenv("RESNET_GEN_OFFLINE", "1")
    assert "hf:owner/tiny@main:model.safetensors" in str(refusal("hf:owner/tiny"))
    monkeypatch.delenv("RESNET_GEN_OFFLINE")
    found = fetch("hf:owner/tiny")
    before = len(here.asked)
    monkeypatch.setenv("RESNET_GEN_OFFLINE", "1")
    assert fetch("hf:owner/tiny") == found
    assert len(here.asked) == before


@pytest.mark.parametrize("status", [401, 403, 429])
def test_a_hub_that_refuses(here, tiny, status):
    here.status = status
    problem = refusal("hf:owner/tiny")
    assert f"the hub answers {status}" in problem.message
    assert ("HF_TOKEN" in (problem.hint or "")) == (status != 429)


def test_no_hub(here, tiny, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "no answer, or cut off" in refusal("hf:owner/tiny").message


def test_a_hub_that_says_nothing(here, tiny, monkeypatch):
    monkeypatch.setattr(settings, "TIMEOUT", 0.1)
    here.delay = 0.5
    assert "no answer, or cut off" in refusal("hf:owner/tiny").message


@pytest.mark.long  # the library tries it once a second
def test_a_file_of_the_hub_that_is_cut_off(here, tiny):
    here.cut, here.cuts, here.ranges = 40_000, 100, False
    assert "no answer, or cut off" in refusal("hf:owner/tiny").message
    here.cuts = 0
    assert fetch("hf:owner/tiny").path.read_bytes() == tiny


def test_what_the_hub_calls_no_name(here, tiny):
    assert "is no name of the hub's" in refusal("hf:a--b/c").message


def test_a_file_of_the_hub_that_is_too_large(here, tiny):
    here.length = settings.LARGEST + 1
    assert "at most" in refusal("hf:owner/tiny").message


def test_timms_are_on_the_hub(here, tiny):
    here.publish_on_hub("timm/resnet18.a1_in1k", "main", "model.safetensors", tiny, COMMIT)
    found = fetch("timm:a1_in1k", "resnet18")
    assert found.origin == {"name": "hf:timm/resnet18.a1_in1k", "revision": COMMIT}


# Where they are used


def test_a_build_says_what_its_weights_are(here, tiny, tmp_path):
    from resnet_gen import build, check_engine

    name = f"hf:owner/tiny@{COMMIT}"
    model, manifest = build("resnet8-digits", tmp_path, weights=name)
    assert json.loads(manifest.read_text(encoding="utf-8"))["weights"] == {
        "source": "file",
        "file": "model.safetensors",
        "sha256": hashlib.sha256(tiny).hexdigest(),
        "published": {"name": "hf:owner/tiny", "revision": COMMIT},
    }
    checks = check_engine(model, spec="resnet8-digits", weights=name)
    assert {check.what: check.state for check in checks}["weights"] == "ok"
    made = convert_weights("resnet8-digits", name, tmp_path / "x.safetensors")
    assert made.totals()["copied"] == len(build_graph("resnet8-digits").state())


def test_the_command_line_says_what_it_fetches(here, tiny, tmp_path, capsys, monkeypatch):
    from resnet_gen.cli import exit_code

    monkeypatch.chdir(tmp_path)
    assert exit_code(["build", "resnet8-digits", "--weights", f"hf:owner/tiny@{COMMIT}"]) == 0
    assert f"fetching {here.url}/owner/tiny/resolve/" in capsys.readouterr().err
    assert (
        exit_code(["verify", "resnet8-digits", "--against", "build/resnet8-digits.onnx", "--weights", "hf:owner/tiny"])
        == 0
    )
    capsys.readouterr()
    assert exit_code(["weights", "show", "hf:owner/tiny", "--format", "json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(build_graph("resnet8-digits").state())
    assert exit_code(["import", "hf:owner/tiny", "--name", "found"]) == 0
    assert "extends: resnet8-digits" in capsys.readouterr().out
    assert exit_code(["build", "resnet8-digits", "--weights", "hf:owner"]) == 2
    assert "no name of published weights" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["pooch", "huggingface_hub"])
def test_without_the_libraries(here, tiny, missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    problem = refusal("torchvision:tiny.V1" if missing == "pooch" else "hf:owner/tiny")
    assert f"{missing} is not installed" in problem.message
    assert "resnet-gen[download]" in problem.hint
