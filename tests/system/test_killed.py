"""Runs that die at any change of the file system: the next finds the old files or the new ones, never some of each."""

import json
import shutil
from pathlib import Path

import pytest

from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.system.write import Transaction
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.kills import KILLED, Server
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.varied import spread

WEIGHTS = TINY.with_name("float32.safetensors")


@pytest.fixture(scope="module")
def writer():
    served = Server("system.write")
    yield served
    served.close()


@pytest.fixture(scope="module")
def server():
    served = Server()
    yield served
    served.close()


def holds(folder):
    """Every file and link below a folder, with what it holds."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(folder))] = path.readlink()
        elif path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def shown(state):
    """What is not hidden of it."""
    return {name: data for name, data in state.items() if ".resnet-gen." not in name}


def folders(folder):
    """The folders below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_dir() and not path.is_symlink()}


def adopt(folder):
    """Let what a dead run left stand for itself in a copy: an account holds where it was written alone."""
    for journal in folder.rglob(".journal~"):
        told = json.loads(journal.read_text())
        journal.write_text(json.dumps({**told, "begun": journal.with_name(".lock~").lstat().st_ctime_ns}))


class Case:
    """A command, over what another one left or over nothing."""

    def __init__(self, server, tmp_path, command, *old, **more):
        self.server, self.command, self.more = server, command, more
        self.start, self.work, self.dead = (tmp_path / name for name in ("start", "work", "dead"))
        for folder in ("start/c", "start/d"):
            (tmp_path / folder).mkdir(parents=True)
        if "function" not in more:
            for file in (TINY, WEIGHTS):
                shutil.copy(file, self.start / file.name)
            assert self.run(self.start, "build", "tiny.yaml", "-o", "built", "--seed", "9")[0] == 0
        for words in filter(None, old):
            assert self.run(self.start, *words)[0] in (0, 1)
        self.old = holds(self.start)
        self.begin(self.start)
        code, self.changes, said = self.run(self.work, *command)
        assert code in (0, 1), said
        self.new, self.folders = holds(self.work), folders(self.work)
        assert self.new != self.old
        assert shown(self.new) == self.new

    def run(self, folder, *arguments, **more):
        return self.server.run(folder, *arguments, **self.more, **more)

    def begin(self, state):
        """The working folder as it was then."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(state, self.work, symlinks=True)
        adopt(self.work)

    def die(self, number):
        """The command dies before a change of that number; what is shown then."""
        self.begin(self.start)
        code, _, said = self.run(self.work, *self.command, die_at=number)
        assert code == KILLED, said
        shutil.rmtree(self.dead, ignore_errors=True)
        shutil.copytree(self.work, self.dead, symlinks=True)
        left = shown(holds(self.work))
        for name, data in left.items():  # each file is whole, at any moment
            assert data in (self.old.get(name), self.new.get(name))
        return left

    def next_writes(self, *paths):
        """Another run writes other files: what was there is there again, or what is new is complete."""
        code, _, said = self.server.run(self.work, *(f"{path}=other" for path in paths), function="together")
        assert code == 0, said
        now = holds(self.work)
        assert [now.pop(path) for path in paths] == [b"other"] * len(paths)
        assert shown(now) in (self.old, self.new)
        for path in paths:
            assert list((self.work / path).parent.glob(".resnet-gen.*")) == []
        return now

    def same_again(self):
        """The same command once more makes all of it new, and leaves nothing."""
        code, _, said = self.run(self.work, *self.command)
        assert holds(self.work) == self.new, said
        assert folders(self.work) == self.folders
        assert code in (0, 1) or "exists already" in said

    def check(self, number, others):
        """Die there, and go on in each way; whether files were half new, half old when it died."""
        left = self.die(number)
        for other in others:
            self.next_writes(other)
            self.begin(self.dead)
        now = self.next_writes(*others)
        assert shown(now) == now
        self.begin(self.dead)
        self.same_again()
        return left not in (self.old, self.new)


# --- the writer itself -------------------------------------------------------

NEW = ["out", "a=new a", "1/b=new b", "2/3/c=new c", "d=new d"]
OLD = ["out", "a=old a", "1/b=old b", "stays=old"]
FAR = ["x/a=new a", "y/b=new b", "x/c=new c", "z/w/d=new d"]
FAR_OLD = ["x/a=old a", "y/b=old b"]
UNLINKED = {"links": False}
WRITTEN = [
    pytest.param("below", NEW, None, {}, id="fresh"),
    pytest.param("below", NEW, OLD, {}, id="over old files"),
    pytest.param("below", NEW, OLD, UNLINKED, id="over old files, no hard links"),
    pytest.param("below", ["out", "a=same", "b=new"], ["out", "a=same", "b=old"], {}, id="one of them the same"),
    pytest.param("below", ["out", "a=new"], ["out", "a=old"], {}, id="one file"),
    pytest.param("together", FAR, None, {}, id="several folders, fresh"),
    pytest.param("together", FAR, FAR_OLD, {}, id="several folders"),
    pytest.param("together", FAR, FAR_OLD, UNLINKED, id="several folders, no hard links"),
]
EVERY = [pytest.param(1, marks=pytest.mark.long, id="every change"), pytest.param(5, id="a fifth of them")]


@pytest.mark.parametrize("step", EVERY)
@pytest.mark.parametrize(("function", "new", "old", "more"), WRITTEN)
def test_whatever_change_the_writer_dies_at_the_next_finds_one_state(writer, tmp_path, function, new, old, more, step):
    case = Case(writer, tmp_path, new, old, function=function, **more)
    others = ["out/other"] if function == "below" else ["x/other", "y/other", "z/w/other"]
    mixed = [case.check(number, others) for number in range(1, len(case.changes) + 1, step)]
    assert any(mixed) or len(new) < 4, "none died in between"


# --- every command -----------------------------------------------------------


def command(new, old=None, *, there, reader=None, engine=False):
    """A command, the one before it, folders that it writes to, and what reads there."""
    return new, old, there.split(), reader, engine


INT8 = "build tiny.yaml -o b --precision int8 --calibration random --qdq cpu"
BUNDLE = "build tiny.yaml -o b --for jetson-nano"
TRITON = "build tiny.yaml -o b --target triton --for"
ENGINE = "build tiny.yaml -o b --target tensorrt-rtx --sm 86"
IMPORT = "import built/tiny.onnx -o s/net.yaml --weights w/net.safetensors"
MODEL = "check-engine b/tiny.onnx"
COMMANDS = {
    "build": command("build tiny.yaml -o b", there="b", reader=MODEL),
    "build over another": command(
        "build tiny.yaml -o b --precision fp16", "build tiny.yaml -o b --seed 1", there="b", reader=MODEL
    ),
    "int8": command(INT8, there="b", reader=MODEL),
    "int8 over another": command(f"{INT8} --seed 1", INT8, there="b", reader=MODEL),
    "bundle": command(BUNDLE, there="b", reader=MODEL),
    "bundle over another": command(f"{BUNDLE} --seed 1", BUNDLE, there="b", reader=MODEL),
    "triton": command(f"{TRITON} cpu", there="b/tiny", reader="check-engine b/tiny/1/model.onnx"),
    "triton over another": command(
        f"{TRITON} cpu --seed 1", f"{TRITON} cpu", there="b/tiny", reader="check-engine b/tiny/1/model.onnx"
    ),
    "triton for a GPU": command(f"{TRITON} jetson-nano", there="b/tiny", reader="check-engine b/tiny/tiny.onnx"),
    "engine": command(ENGINE, there="b", reader=MODEL, engine=True),
    "engine over another": command(f"{ENGINE} --seed 1", ENGINE, there="b", reader=MODEL, engine=True),
    "report": command("build tiny.yaml -o b --target report", there="b/tiny"),
    "report over another": command(
        "build tiny.yaml -o b --target report",
        "build tiny.yaml -o b --target report --set head.classes=4",
        there="b/tiny",
    ),
    **{
        f"generate {to}": command(
            f"generate tiny.yaml --to {to} -o g",
            there="g/tiny" if to in ("cpp", "triton") else "g",
            reader=f"generate tiny.yaml --to {to} -o g --check",
        )
        for to in ("cpp", "triton", "pytorch", "flax", "card")
    },
    **{
        f"generate {to} over another": command(
            f"generate tiny.yaml --to {to} -o g --force",
            f"generate tiny.yaml --to {to} -o g --set head.classes=4",
            there="g/tiny",
            reader=f"generate tiny.yaml --to {to} -o g --check",
        )
        for to in ("cpp", "triton")
    },
    "import": command(IMPORT, there="s w"),
    "import over another": command(
        f"{IMPORT} --force", f"build tiny.yaml -o a && {IMPORT.replace('built', 'a')} --name another", there="s w"
    ),
    "init": command("init mine -o n", there="n"),
    "lock": command("lock tiny.yaml", "lock resnet18", there="."),
    "weights convert": command("weights convert tiny.yaml float32.safetensors -o c/c.npz --to timm", there="c"),
    "verify": command(
        "verify tiny.yaml --format sarif --format junit -o c/a.sarif -o d/a.xml",
        "verify resnet18 --format sarif --format junit -o c/a.sarif -o d/a.xml",
        there="c d",
    ),
    "diff": command("diff tiny.yaml resnet18 -o c/d.txt", there="c"),
    "bench": command("bench tiny.yaml --seconds 0.05 --batch 1 --format json -o c/b.json --plot d/b.svg", there="c d"),
}


@pytest.mark.parametrize("name", spread(sorted(COMMANDS.keys() - {"bench"}), 9))  # whose picture takes seconds
def test_a_command_that_dies_in_between_is_taken_back_or_complete(server, tmp_path, name):
    case, others, _ = begun(server, tmp_path, name)
    renames = [number for number, change in enumerate(case.changes, 1) if change == "os.rename"]
    several = sum(case.old.get(file) != data for file, data in case.new.items()) > 1
    assert any(case.check(number, others) for number in reversed(renames)) == several


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_whatever_change_a_command_dies_at_the_next_finds_one_state(server, tmp_path, name):
    case, others, reader = begun(server, tmp_path, name)
    for number in range(1, len(case.changes) + 1):
        if case.check(number, others) and reader:
            case.begin(case.dead)
            code, _, said = case.run(case.work, *reader.split())
            assert code in (1, 2), said


def begun(server, tmp_path, name):
    new, old, there, reader, engine = COMMANDS[name]
    before = [words.split() for words in old.split(" && ")] if old else []
    case = Case(server, tmp_path, new.split(), *before, engine=engine)
    return case, [str(Path(folder, "other")) for folder in there], reader


MODEL_READERS = [
    ("run", "b/net.onnx"),
    ("bench", "b/net.onnx"),
    ("verify", "tiny.yaml", "--against", "b/net.onnx", "--weights", "float32.safetensors"),
    ("import", "b/net.onnx", "--weights", "w.safetensors"),
    ("check-engine", "b/net.onnx"),
]


@pytest.fixture(scope="module")
def between(writer, tmp_path_factory):
    """A folder with a model whose weights lie beside it, half of it renamed by a run that died."""
    folder = tmp_path_factory.mktemp("between")
    with Transaction(folder / "b") as out:
        for name, data in split_model().items():
            out.write(name, [data])
    for file in (TINY, WEIGHTS):
        shutil.copy(file, folder / file.name)
    before = holds(folder)
    for number in range(1, 40):
        writer.run(folder, "b", "net.onnx.data=new", "net.onnx=new", function="below", die_at=number)
        if holds(folder)["b/net.onnx.data"] == b"new":
            assert shown(holds(folder)).keys() == before.keys()
            return folder
    raise AssertionError("it never died in between")


def split_model():
    """The files of a small model that keeps its weights beside it."""
    graph = network(TINY)
    file = OnnxFile(graph, SeededWeights(graph), WriterOptions())
    return {"net.onnx.data": b"".join(file.external_chunks()), "net.onnx": b"".join(file.chunks("net.onnx.data"))}


@pytest.mark.parametrize("reader", MODEL_READERS, ids=lambda words: words[0])
def test_what_reads_a_model_half_of_which_is_new_says_so(server, between, reader):
    code, _, said = server.run(between, *reader)
    assert code in (1, 2)
    assert "half " in said, "and not of what the weights happen to be"
