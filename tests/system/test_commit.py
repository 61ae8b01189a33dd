"""Files renamed into place together: what goes wrong in between, and who else is there."""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from resnet_gen.problems import Refused
from resnet_gen.system.digest import digest_file
from resnet_gen.system.journal import is_unfinished, recover
from resnet_gen.system.staging import Staging, stage
from resnet_gen.system.write import Transaction, write_together

OLD = {"a": b"old a", "b": b"old b", "1/c": b"old c"}
NEW = {"a": b"new a", "b": b"new b", "1/c": b"new c", "2/d": b"new d"}


def holds(folder):
    """Every file and link below `folder`, with what it holds, and every folder."""
    return {
        str(p.relative_to(folder)): p.readlink() if p.is_symlink() else p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


def write(folder, files, *, last=lambda out: None):
    """A transaction; `last` is called before it commits."""
    with Transaction(folder) as out:
        for name, data in files.items():
            out.write(name, [data])
        last(out)


@pytest.fixture
def old(tmp_path):
    """A folder with an older set in it."""
    write(tmp_path, OLD)
    return holds(tmp_path)


class Stumble:
    """Does something once, before the N-th rename, link, making or removing of anything."""

    def __init__(self, monkeypatch, number, act):
        self.left, self.act = number, act
        for name in ("replace", "hardlink_to", "mkdir", "unlink"):
            monkeypatch.setattr(Path, name, self.stumbling(getattr(Path, name)))

    def stumbling(self, method):
        def call(path, *arguments, **named):
            self.left -= 1
            if self.left == 0:
                self.act()
            return method(path, *arguments, **named)

        return call


def stumbled(monkeypatch, tmp_path, number, act, error):
    """A commit that stumbles; whether it got that far."""
    with monkeypatch.context() as patched:
        stumble = Stumble(patched, number, act)
        try:
            write(tmp_path, NEW)
        except error:
            return True
    return stumble.left <= 0


STEPS = range(1, 14)


def test_there_are_no_more_steps_than_are_tried(monkeypatch, old, tmp_path):
    assert stumbled(monkeypatch, tmp_path, max(STEPS), lambda: None, ())
    assert not stumbled(monkeypatch, tmp_path, max(STEPS) + 1, lambda: None, ())


def raising(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize("number", STEPS)
@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(errno.EIO, "broken"), Refused), (KeyboardInterrupt(), KeyboardInterrupt), (SystemExit(1), SystemExit)],
    ids=["disk", "Ctrl-C", "asked to end"],
)
def test_what_goes_wrong_at_any_step_leaves_the_old_set_or_the_new(monkeypatch, old, tmp_path, number, error, told):
    stumbled(monkeypatch, tmp_path, number, raising(error), told)
    write(tmp_path, {"other": b"other"})
    now = holds(tmp_path)
    assert now.pop("other") == b"other"
    new = {**NEW, "1": None, "2": None}
    assert now in (old, new)


@pytest.mark.parametrize("number", STEPS)
def test_a_hidden_folder_that_vanishes_at_any_step_takes_no_old_file_with_it(monkeypatch, old, tmp_path, number):
    def vanish():
        for hidden in tmp_path.glob(".resnet-gen.*"):
            shutil.rmtree(hidden)

    done = not stumbled(monkeypatch, tmp_path, number, vanish, Refused)
    now = holds(tmp_path)
    assert now in ({**NEW, "1": None, "2": None}, old)
    assert not done or now != old


@pytest.mark.parametrize("number", STEPS)
def test_a_hidden_folder_that_vanishes_leaves_a_link_where_it_was(monkeypatch, tmp_path, number):
    (tmp_path / "a").symlink_to("nowhere")
    (tmp_path / "b").write_bytes(b"old")
    (tmp_path / "b").chmod(0o640)

    def vanish():
        for hidden in tmp_path.glob(".resnet-gen.*"):
            shutil.rmtree(hidden)

    stumbled(monkeypatch, tmp_path, number, vanish, Refused)
    now = holds(tmp_path)
    if now["a"] != b"new a":
        assert now == {"a": Path("nowhere"), "b": b"old"}
        assert (tmp_path / "b").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("number", STEPS)
@pytest.mark.parametrize("name", ["a", "b", "1/c", "2/d"])
def test_a_link_put_in_a_file_s_place_meanwhile_is_never_followed(monkeypatch, old, tmp_path, number, name):
    theirs = tmp_path.parent / "theirs"
    theirs.write_bytes(b"theirs")

    def swap():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(theirs)

    stumbled(monkeypatch, tmp_path, number, swap, Refused)
    assert theirs.read_bytes() == b"theirs"
    now = {name: data for name, data in holds(tmp_path).items() if data not in (None, theirs)}
    assert all(data in (OLD.get(file), NEW[file]) for file, data in now.items())
    assert len({data in OLD.values() for data in now.values()}) == 1, "all new or all old, but for what was swapped"


# --- what dead runs leave, and live ones -------------------------------------


DYING = """
import os, sys
from pathlib import Path
from resnet_gen.system.write import Transaction

left = int(sys.argv[2])
replace = Path.replace

def dying(path, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return replace(path, target)

Path.replace = dying
with Transaction(Path(sys.argv[1])) as out:
    for word in sys.argv[3:]:
        out.write_text(*word.split("="))
"""


def die(folder, renames, **files):
    """A process that dies after so many renames, the account's among them."""
    words = [f"{name}={text}" for name, text in files.items()]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    command = [sys.executable, "-c", DYING, str(folder), str(renames), *words]
    assert subprocess.run(command, env=environment).returncode == 9


def test_a_half_renamed_set_is_told_of_until_the_next_run_takes_it_back(old, tmp_path):
    names = ("a", "b", "1/c")
    assert [is_unfinished(tmp_path / name) for name in names] == [False] * 3
    die(tmp_path, 2, **{"a": "new a", "1/c": "new c"})
    assert (tmp_path / "a").read_bytes() == b"new a"
    assert [is_unfinished(tmp_path / name) for name in names] == [True, False, True]
    recover(tmp_path)
    assert holds(tmp_path) == old
    assert [is_unfinished(tmp_path / name) for name in names] == [False] * 3


def test_what_was_edited_since_is_left_as_it_is(old, tmp_path):
    die(tmp_path, 3, a="new a", b="new b", other="new")
    (tmp_path / "a").write_bytes(b"edited")
    recover(tmp_path)
    assert holds(tmp_path) == {**old, "a": b"edited"}


def test_what_was_deleted_since_does_not_come_back(old, tmp_path):
    die(tmp_path, 3, a="new a", b="new b", other="new")
    for name in ("a", "b"):
        (tmp_path / name).unlink()
    recover(tmp_path)
    assert holds(tmp_path) == {"1": None, "1/c": b"old c"}


def test_the_hidden_folder_of_a_dead_run_may_be_deleted(old, tmp_path):
    die(tmp_path, 0, a="new a", b="new b")
    for hidden in tmp_path.glob(".resnet-gen.*"):
        shutil.rmtree(hidden)
    recover(tmp_path)
    assert holds(tmp_path) == old


def test_a_live_run_s_hidden_folder_stays_whoever_else_writes(old, tmp_path):
    with Transaction(tmp_path) as out:
        out.write_text("a", "new a")
        write(tmp_path, {"b": b"newer b"})
        recover(tmp_path)
        assert out.find_staged("a").read_bytes() == b"new a"
    assert holds(tmp_path) == {**old, "a": b"new a", "b": b"newer b"}


def test_a_live_run_in_another_process_is_left_alone(old, tmp_path):
    code = (
        "import sys; from pathlib import Path; from resnet_gen.system.write import Transaction\n"
        "with Transaction(Path(sys.argv[1])) as out:\n"
        "    out.write_text('a', 'new a'); print('ready', flush=True); sys.stdin.read()\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], text=True, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        write(tmp_path, {"b": b"newer b"})
        assert len(list(tmp_path.glob(".resnet-gen.*"))) == 1
        process.communicate("")
    assert holds(tmp_path) == {**old, "a": b"new a", "b": b"newer b"}


def test_runs_that_commit_at_once_leave_one_set_whole(tmp_path):
    """A hundred pairs: what is there in the end is all of one or all of the other."""

    def build(word):
        write(tmp_path, dict.fromkeys(("model", "account", "manifest"), word))

    for _ in range(50):
        threads = [threading.Thread(target=build, args=[word]) for word in (b"one", b"two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(holds(tmp_path).values())) == 1
        assert len(holds(tmp_path)) == 3


def test_a_live_run_takes_back_what_one_that_died_beside_it_left(old, tmp_path):
    with Transaction(tmp_path) as out:
        out.write_text("other", "other")
        die(tmp_path, 2, a="new a", b="new b")
    assert holds(tmp_path) == {**old, "other": b"other"}


def test_a_run_that_cannot_put_back_what_was_there_says_so_and_leaves_it_to_the_next(monkeypatch, old, tmp_path):
    replace = Path.replace

    def failing(path, target):
        if path.name == "b" or path.name.startswith(".before"):
            raise OSError(errno.EIO, "Input/output error")
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing)
        with pytest.raises(Refused, match="cannot be put back") as caught:
            write(tmp_path, NEW)
    assert [problem.message for problem in caught.value.problems] == [
        "cannot be written: Input/output error",
        "cannot be put back: Input/output error",
    ]
    assert (tmp_path / "a").read_bytes() == b"new a"
    recover(tmp_path)
    assert holds(tmp_path) == old


# --- accounts that no run wrote ----------------------------------------------


def hidden(folder, data):
    """A hidden folder with an account in it that says that it was written there."""
    staging = Staging(folder / ".resnet-gen.theirs")
    staging.path.mkdir()
    (staging.path / ".lock~").write_bytes(b"")
    told = data if isinstance(data, bytes) else json.dumps({"begun": staging.read_start_time(), **data}).encode()
    staging.journal.write_bytes(told)
    staging.staged_path("pending").write_bytes(b"")
    return staging


def account(*entries, places=(), folders=()):
    return {
        "places": list(places),
        "entries": [*entries, [0, "pending", "0" * 64, "nothing"]],
        "folders": list(folders),
    }


SHA = "9b3a0f6a1f1a0e4b0e5c5d3e6a7f8b9c0d1e2f3a4b5c6d7e8f90a1b2c3d4e5f6"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b"[" * 100_000, b"\xff", {}, {"places": [], "entries": [[]], "folders": []},
        account([0, "../x", SHA, "nothing"]), account([0, "/etc/x", SHA, "nothing"]), account([0, "", SHA, "nothing"]),
        account([0, 3, SHA, "nothing"]), account([1, "a", SHA, "nothing"]), account([0, "a", None, "nothing"]),
        account([0, "a", SHA, "gone"]), account([-1, "a", SHA, "nothing"]), account([0, "a/../../x", SHA, "nothing"]),
        account(folders=[[0, ".."]]), account(folders=[[0, "/tmp"]]), account(places=[3]), account(places=[["x"]]),
    ],
    ids=lambda data: str(data)[:60],
)  # fmt: skip
def test_an_account_that_no_run_wrote_is_left_alone(old, tmp_path, data):
    hidden(tmp_path, data)
    before = holds(tmp_path)
    recover(tmp_path)
    write(tmp_path, {"new": b"new"})
    assert holds(tmp_path) == {**before, "new": b"new"}


PLANTED = ".git/hooks/post-checkout"
BEGUN = [
    {},
    {"begun": None},
    {"begun": 0},
    {"begun": True},
    {"begun": 1.5},
    {"begun": "x"},
    {"begun": 1_790_000_000_000_000_000},
]


@pytest.mark.parametrize("lock", [True, False])
@pytest.mark.parametrize("begun", BEGUN, ids=str)
@pytest.mark.parametrize("before", ["nothing", "linked", "moved"])
def test_an_account_that_was_brought_along_takes_nothing_back(old, tmp_path, before, begun, lock):
    """As in a pull request: else it would delete files of the checkout, or plant some in `.git`."""
    (tmp_path / ".git/hooks").mkdir(parents=True)
    entries = [[0, "a", digest_file(tmp_path / "a"), before], [0, PLANTED, SHA, before]]
    staging = hidden(tmp_path, {**account(*entries), **begun})
    if not begun:
        staging.journal.write_text(json.dumps(account(*entries)))
    for number in range(2):
        staging.backup_path(number).write_bytes(b"planted")
    if not lock:
        (staging.path / ".lock~").unlink()
    here = holds(tmp_path)
    recover(tmp_path)
    assert {name: data for name, data in holds(tmp_path).items() if ".resnet-gen." not in name} == {
        name: data for name, data in here.items() if ".resnet-gen." not in name
    }


def test_an_account_holds_for_the_folder_alone_that_it_was_written_in(old, tmp_path):
    """A copy of what a dead run left is none of its own, however exact."""
    staging = hidden(tmp_path, account([0, "a", digest_file(tmp_path / "a"), "nothing"]))
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(staging.path, copy / staging.path.name)
    shutil.copy2(tmp_path / "a", copy / "a")
    recover(copy)
    assert (copy / "a").exists()
    recover(tmp_path)
    assert not (tmp_path / "a").exists()


def test_an_account_leads_to_no_file_outside_of_its_folder(tmp_path):
    theirs, here = tmp_path / "theirs", tmp_path / "here"
    for folder in (theirs, here):
        folder.mkdir()
    (theirs / "x").write_bytes(b"kept")
    (theirs / ".resnet-gen.x").mkdir()
    (here / "link").symlink_to(theirs)
    sha = digest_file(theirs / "x")
    places = ["../theirs/.resnet-gen.x"]
    hidden(here, account([0, "link/x", sha, "nothing"], [1, "x", sha, "nothing"], places=places))
    recover(here)
    assert (theirs / "x").read_bytes() == b"kept"
    assert holds(here) == {"link": theirs}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.mkdir()])
@pytest.mark.parametrize("name", [".journal~", ".owner~", ".lock~"])
def test_what_is_no_file_is_not_read_as_one(old, tmp_path, make, name):
    folder = tmp_path / ".resnet-gen.theirs"
    folder.mkdir()
    make(folder / name)
    write(tmp_path, {"a": b"new a"})
    assert (tmp_path / "a").read_bytes() == b"new a"


def test_a_link_that_is_called_like_a_hidden_folder_is_left_alone(old, tmp_path):
    theirs = tmp_path.parent / "their folder"
    theirs.mkdir()
    (theirs / "x").write_bytes(b"kept")
    (tmp_path / ".resnet-gen.x").symlink_to(theirs)
    write(tmp_path, {"a": b"new a"})
    assert (theirs / "x").read_bytes() == b"kept"


def test_where_no_folder_can_be_locked_nobody_else_s_is_touched(monkeypatch, old, tmp_path):
    (tmp_path / ".resnet-gen.unknown").mkdir()
    monkeypatch.setattr("resnet_gen.system.file_locks.lock", lambda descriptor, wait: False)
    monkeypatch.setattr("resnet_gen.system.staging.lock", lambda descriptor, wait: False)
    write(tmp_path, NEW)
    now = holds(tmp_path)
    assert now.pop(".resnet-gen.unknown", "") is None
    assert now == {**NEW, "1": None, "2": None}


# --- the disk ----------------------------------------------------------------


def test_data_are_on_the_disk_before_any_name_tells_of_them(monkeypatch, old, tmp_path):
    """In order: each file, the account, its folder; then the renames; then the folders that they are in."""
    seen, inodes, hidden_folder = [], {}, []
    replace, flush = Path.replace, os.fsync

    def replaced(path, target):
        inodes[path.name] = path.stat().st_ino
        hidden_folder.append(path.parent.stat().st_ino)
        seen.append(("rename", path.name))
        return replace(path, target)

    def flushed(descriptor):
        seen.append(("flush", os.fstat(descriptor).st_ino))
        return flush(descriptor)

    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "fsync", flushed)
    write(tmp_path, {"model": b"new", "1/c": b"new", "manifest": b"new"})
    first = seen.index(("rename", "model"))
    account = seen.index(("rename", ".draft~"))
    written, after = seen[:account], seen[first:]
    assert {("flush", inodes[name]) for name in ("model", "c", "manifest", ".draft~")} <= set(written)
    assert ("flush", hidden_folder[0]) in seen[account:first]
    assert [what for what, _ in after] == ["rename"] * 3 + ["flush"] * 2
    assert {inode for what, inode in after if what == "flush"} == {
        tmp_path.stat().st_ino,
        (tmp_path / "1").stat().st_ino,
    }


def test_a_flush_that_fails_is_a_refusal_and_leaves_the_old_set(monkeypatch, old, tmp_path):
    flush = os.fsync
    for number in range(1, 20):
        left = [number]

        def failing(descriptor, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.EIO, "Input/output error")
            return flush(descriptor)

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", failing)
            with suppress(Refused):
                write(tmp_path, {"a": b"new a", "b": b"new b"})
        now = holds(tmp_path)
        if now != old:
            assert now == {**old, "a": b"new a", "b": b"new b"}
            assert left[0] > 0, "it was told that it failed"
            return
    pytest.fail("it was never written")


def test_a_disk_that_fails_while_more_is_written_is_told(monkeypatch, old, tmp_path):
    flush, called = os.fsync, []

    def failing(descriptor):
        called.append(descriptor)
        if len(called) == 1:
            raise OSError(errno.EIO, "Input/output error")
        return flush(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(Refused, match="Input/output error"):
        write(tmp_path, {"a": bytes(20 << 20)})
    assert holds(tmp_path) == old


def test_folders_that_cannot_be_flushed_are_written_to_all_the_same(monkeypatch, old, tmp_path):
    flush = os.fsync

    def failing(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        return flush(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    write(tmp_path, NEW)
    assert holds(tmp_path) == {**NEW, "1": None, "2": None}


def test_several_folders_are_written_together_or_not_at_all(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "y").mkdir()  # in the way
    with pytest.raises(Refused, match="a folder has this name"):
        write_together({tmp_path / "a" / "x": [b"x"], tmp_path / "b" / "y": [b"y"], tmp_path / "c" / "z": [b"z"]})
    assert holds(tmp_path) == {"a": None, "b": None, "b/y": None}


def test_a_hidden_folder_s_lock_ends_with_it(tmp_path):
    staging = stage(tmp_path)
    staging.remove()
    assert holds(tmp_path) == {}
