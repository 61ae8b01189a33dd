"""Writing files: whole or not at all."""

import errno
import hashlib
import itertools
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.problems import Refused
from resnet_gen.system import write as writing
from resnet_gen.system.digest import digest_file
from resnet_gen.system.write import Transaction
from resnet_gen.weights.initialization import SeededWeights
from tests.helpers.onnx_runs import TINY, network
from tests.helpers.privileges import bound, permissions_hold


def files(folder):
    """Every file and folder below `folder`, with what it holds."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def write(folder, *, first=None, last=None, **named):
    """A transaction that writes the named files in order; `first` and `last` are called around that."""
    with Transaction(folder) as out:
        if first:
            first(out)
        for name, chunks in named.items():
            out.write(name, chunks)
        if last:
            last(out)


def broken(*chunks, error=None):
    """Chunks, and then an exception."""
    yield from chunks
    raise error or ValueError("broken")


# --- what is written ---------------------------------------------------------


def test_all_files_appear_with_their_bytes_and_nothing_else(tmp_path):
    with Transaction(tmp_path / "new" / "folder") as out:
        digest = out.write("a", [b"one ", memoryview(b"two"), b""])
        out.write_text("b", "drei ü\n")
        assert not (tmp_path / "new" / "folder" / "a").exists()
        assert out.find_staged("a").read_bytes() == b"one two"
    assert files(tmp_path / "new" / "folder") == {"a": b"one two", "b": "drei ü\n".encode()}
    assert digest == hashlib.sha256(b"one two").hexdigest() == digest_file(tmp_path / "new" / "folder" / "a")


def test_files_wait_where_they_will_be_so_that_a_rename_is_all_that_is_left(tmp_path):
    with Transaction(tmp_path) as out:
        out.write_text("a", "text")
        assert out.find_staged("a").is_relative_to(tmp_path)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_the_user_asks_for(mask, tmp_path):
    old = os.umask(mask)
    try:
        with Transaction(tmp_path) as out:
            out.write_text("a", "text")
        assert os.umask(mask) == mask
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


def test_existing_files_are_replaced(tmp_path):
    (tmp_path / "a").write_text("a longer text than the new one")
    (tmp_path / "other").write_text("other")
    with Transaction(tmp_path) as out:
        out.write_text("a", "new")
    assert files(tmp_path) == {"a": b"new", "other": b"other"}


def test_writes_that_the_system_cuts_short_are_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    with Transaction(tmp_path) as out:
        digest = out.write("a", [b"0123456789", memoryview(b"abcdefgh")])
    assert (tmp_path / "a").read_bytes() == b"0123456789abcdefgh"
    assert digest == hashlib.sha256(b"0123456789abcdefgh").hexdigest()


# --- failures ----------------------------------------------------------------


@pytest.fixture
def before(tmp_path):
    """A folder with an older build in it, and what it holds."""
    (tmp_path / "a").write_bytes(b"old a")
    (tmp_path / "c").write_bytes(b"old c")
    return files(tmp_path)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), MemoryError(), SystemExit(1)], ids=repr)
def test_an_exception_in_mid_stream_leaves_everything_as_it_was(error, before, tmp_path):
    with pytest.raises(type(error)):
        write(tmp_path, b=[b"whole"], a=broken(b"half", error=error))
    assert files(tmp_path) == before


def test_an_exception_between_files_leaves_everything_as_it_was(before, tmp_path):
    with pytest.raises(ZeroDivisionError):
        write(tmp_path, a=[b"whole"], last=lambda out: 1 // 0)
    assert files(tmp_path) == before


def test_an_exception_takes_the_new_folders_away_again(tmp_path):
    with pytest.raises(ValueError, match="broken"):
        write(tmp_path / "x" / "y" / "z", a=broken(b"half"))
    assert files(tmp_path) == {}


def test_new_folders_that_others_have_written_to_stay(tmp_path):
    with pytest.raises(ValueError, match="broken"):
        write(tmp_path / "x" / "y", first=lambda _: (tmp_path / "x" / "theirs").write_bytes(b"t"), a=broken(b"half"))
    assert files(tmp_path) == {"x": None, "x/theirs": b"t"}


def fails_after(count, code):
    """An `os.write` that writes `count` bytes and then fails with `code`."""
    write, left = os.write, [count]

    def failing(descriptor, data):
        if not left[0]:
            raise OSError(code, os.strerror(code))
        done = write(descriptor, bytes(data[: left[0]]))
        left[0] -= done
        return done

    return failing


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("count", [0, 3, 8, 12])
def test_a_disk_that_fails_is_a_refusal_and_leaves_everything_as_it_was(code, count, before, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "write", fails_after(count, code))
    with pytest.raises(Refused) as caught:
        write(tmp_path, a=[b"new a", b"!"], b=[b"new b", b"!!"])
    monkeypatch.undo()
    (problem,) = caught.value.problems
    assert problem.message == f"cannot be written: {os.strerror(code)}"
    assert problem.where == str(tmp_path / ("a" if count < 6 else "b"))
    assert files(tmp_path) == before


def test_the_disk_filling_up_under_a_network_leaves_everything_as_it_was(before, tmp_path, monkeypatch):
    graph = network(TINY)
    monkeypatch.setattr(os, "write", fails_after(1000, errno.ENOSPC))
    with pytest.raises(Refused, match="No space left on device"):
        write(tmp_path, a=OnnxFile(graph, SeededWeights(graph), WriterOptions()).chunks())
    monkeypatch.undo()
    assert files(tmp_path) == before


def test_a_limit_of_the_system_on_file_sizes_leaves_everything_as_it_was(before, tmp_path):
    """A failing write of the system's own, not one that a test invents."""
    code = (
        "import resource, sys; from pathlib import Path; from resnet_gen.problems import Refused\n"
        "from resnet_gen.system.write import Transaction\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    with Transaction(Path(sys.argv[1])) as out: out.write('a', [bytes(600)] * 3)\n"
        "except Refused as refused: print(refused)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'a'}: error: cannot be written: {os.strerror(errno.EFBIG)}\n"
    assert files(tmp_path) == before


@pytest.mark.parametrize("needed", [11, 1 << 60])
def test_too_little_space_is_refused_before_anything_is_written(needed, before, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(Refused, match=f"{needed:,} bytes are needed and 10 are free"):
        write(tmp_path, first=lambda out: out.require_space(needed), a=[b"new"])
    assert files(tmp_path) == before


def test_just_enough_space_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    with Transaction(tmp_path) as out:
        out.require_space(10)
        out.write_text("a", "new")
    assert files(tmp_path) == {"a": b"new"}


def test_no_disk_has_an_exabyte_free(tmp_path):
    with pytest.raises(Refused, match="bytes are needed"):
        write(tmp_path / "new", first=lambda out: out.require_space(1 << 60))
    assert files(tmp_path) == {}


def test_a_folder_that_is_a_file_is_refused(before, tmp_path):
    with pytest.raises(Refused, match="cannot be written: a file is in the way"):
        write(tmp_path / "a")
    assert files(tmp_path) == before


def test_a_folder_below_a_file_is_refused(before, tmp_path):
    with pytest.raises(Refused, match="cannot be written: Not a directory"):
        write(tmp_path / "a" / "b" / "c")
    assert files(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux' /proc, where nobody may make files")
@pytest.mark.parametrize("folder", ["/proc/self", "/proc/none/such"])
def test_an_unwritable_folder_is_refused(folder):
    with pytest.raises(Refused, match=f"^{folder}.*cannot be written"):
        write(Path(folder), a=[b"text"])


@pytest.mark.skipif(not bound(), reason="this root may write to any folder")
def test_a_folder_without_permission_is_refused(before, tmp_path):
    tmp_path.chmod(0o555)
    try:
        with permissions_hold(), pytest.raises(Refused, match="cannot be written: Permission denied"):
            write(tmp_path, a=[b"new"])
    finally:
        tmp_path.chmod(0o755)
    assert files(tmp_path) == before


def test_a_folder_in_the_place_of_a_file_is_refused_before_any_file_is_replaced(before, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(Refused, match="cannot be written: a folder has this name") as caught:
        write(tmp_path, a=[b"new"], model=[b"new"])
    assert caught.value.problems[0].where == str(tmp_path / "model")
    assert files(tmp_path) == {**before, "model": None}


def test_a_folder_that_vanishes_meanwhile_is_refused(tmp_path):
    with pytest.raises(Refused, match="cannot be written: No such file"):
        write(tmp_path / "new", a=[b"new"], last=lambda _: shutil.rmtree(tmp_path / "new"))
    assert files(tmp_path) == {}


KILLED = """
import sys
from pathlib import Path
from resnet_gen.system.write import Transaction

def chunks():
    yield b"half"
    print("written", flush=True)
    sys.stdin.read()

with Transaction(Path(sys.argv[1])) as out:
    out.write("b", [b"whole"])
    out.write("a", chunks())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda s: s.name)
def test_a_process_killed_while_it_writes_leaves_no_file_under_its_final_name(how, before, tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    # Coverage is left out: a process that is killed would leave half a file of it behind.
    unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=unmeasured, **pipes) as process:
        assert process.stdout.readline() == "written\n"
        process.send_signal(how)
        process.wait()
    assert process.returncode == -how
    assert {name: data for name, data in files(tmp_path).items() if not name.startswith(".")} == before


def test_what_a_killed_process_leaves_does_not_disturb_the_next_which_removes_it(before, tmp_path):
    (tmp_path / ".resnet-gen.left").mkdir()
    (tmp_path / ".resnet-gen.left" / "a").write_bytes(b"half")
    write(tmp_path, a=[b"new"])
    assert files(tmp_path) == {**before, "a": b"new"}


def test_the_process_that_is_killed_above_writes_both_files_if_it_is_not(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert files(tmp_path) == {"a": b"half", "b": b"whole"}


def test_a_rename_that_fails_puts_back_what_was_there(before, tmp_path, monkeypatch):
    replace = Path.replace

    def failing(self, target):
        if self.name == "c" and self.parent.name.startswith(".resnet-gen."):
            raise OSError(errno.EIO, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(Refused, match="Input/output error"):
        write(tmp_path, a=[b"new a"], b=[b"new b"], c=[b"new c"])
    assert files(tmp_path) == before


def test_where_there_are_no_hard_links_old_files_are_put_back_too(before, tmp_path, monkeypatch):
    def unlinked(self, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unlinked)
    test_a_rename_that_fails_puts_back_what_was_there(before, tmp_path, monkeypatch)


def test_a_link_is_replaced_and_not_what_it_points_to(tmp_path):
    (tmp_path / "target").write_bytes(b"kept")
    (tmp_path / "a").symlink_to("target")
    write(tmp_path, a=[b"new"])
    assert not (tmp_path / "a").is_symlink()
    assert files(tmp_path) == {"a": b"new", "target": b"kept"}


# --- sub-folders -------------------------------------------------------------


def test_names_may_begin_with_sub_folders(tmp_path):
    write(tmp_path / "out", **{"1/b": [b"in"], "a": [b"out"], "1/2/c": [b"deep"]})
    assert files(tmp_path) == {
        "out": None, "out/1": None, "out/1/b": b"in", "out/a": b"out", "out/1/2": None, "out/1/2/c": b"deep",
    }  # fmt: skip


def test_files_in_sub_folders_are_replaced_or_stay_as_they_were(tmp_path):
    write(tmp_path, **{"1/b": [b"old"]})
    with pytest.raises(ValueError, match="broken"):
        write(tmp_path, **{"1/b": [b"new"], "2/c": [b"new"], "a": broken(b"half")})
    assert files(tmp_path) == {"1": None, "1/b": b"old"}
    write(tmp_path, **{"1/b": [b"new"]})
    assert files(tmp_path) == {"1": None, "1/b": b"new"}


def test_a_file_in_the_place_of_a_sub_folder_is_refused_and_nothing_is_replaced(before, tmp_path):
    with pytest.raises(Refused, match="cannot be written"):
        write(tmp_path, **{"a": [b"new"], "1/b": [b"new"], "c/d": [b"new"]})
    assert files(tmp_path) == before


def interrupted_at(step, path):
    """Writes in a thread of its own, which is interrupted at this line of all that it runs; whether it came so far."""
    lines, ended = itertools.count(), []

    def trace(frame, event, _):
        where = frame.f_code.co_filename
        if where not in WRITERS and (where, frame.f_code.co_name) != (threading.__file__, "notify"):
            return None
        if event == "line" and next(lines) == step:
            raise SystemExit
        return trace

    def run():
        sys.settrace(trace)
        try:
            with path.open("wb", buffering=0) as stream:
                writing._write_through(stream.fileno(), [b"a"] * 24, hashlib.sha256())
        except SystemExit:
            ended.append(True)
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), f"it waits forever after an interruption at line {step}"
    return bool(ended)


WRITERS = {writing.__file__, queue.__file__}


def test_whatever_a_signal_interrupts_nobody_waits_forever(tmp_path, monkeypatch):
    """As one within a notification did: the thread that hashes was never told that nothing more comes."""
    monkeypatch.setattr(writing, "_BATCH", 1)
    steps = itertools.takewhile(lambda step: interrupted_at(step, tmp_path / "file"), itertools.count())
    assert sum(1 for _ in steps) > 100
