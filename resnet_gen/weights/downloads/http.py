"""A file fetched over HTTP: by pooch, into a folder of its own until its hash is the one that its name states.

What was cut off stays there, and the next try goes on from its end. One process at a time fetches a file; the others
wait and find it.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_gen.problems import Refused, refuse
from resnet_gen.system.digest import digest_file
from resnet_gen.system.file_locks import lock_folders
from resnet_gen.weights.downloads import settings
from resnet_gen.weights.downloads.settings import check_size, hide_password, refuse_cache, say_fetched

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 14


def fetch_file(url: str, prefix: str, folder: Path) -> Path:
    """The file at `url`, kept in `folder` by the last part of its address; SHA-256 begins with `prefix`, in hex.

    One that is there and has the hash is not fetched. Raises `Refused` for what cannot be had, or has another hash;
    then nothing is in the folder that was not, but the beginning of a file that was cut off.
    """
    try:
        return _find_or_fetch(url, prefix, folder)
    except OSError as error:
        raise refuse_cache(error, folder) from None


def _find_or_fetch(url: str, prefix: str, folder: Path) -> Path:
    final = folder / url.rpartition("/")[2]
    if _has_hash(final, prefix):
        return final
    if settings.is_offline():
        raise _refuse_offline(final)
    with _claim_part(final) as part:
        if not _has_hash(final, prefix):  # else another process has fetched it meanwhile
            if not _has_hash(part, prefix):
                _fetch_part(url, part, prefix)
            part.replace(final)
    return final


def _refuse_offline(final: Path) -> Refused:
    state = "has another hash than its name states" if final.exists() else "is needed, and nothing may be fetched"
    hint = f"put it there yourself, or unset {settings.OFFLINE} and HF_HUB_OFFLINE"
    return refuse(state, str(final), hint)


def _has_hash(path: Path, prefix: str) -> bool:
    return path.is_file() and digest_file(path).startswith(prefix)


@contextmanager
def _claim_part(final: Path) -> Iterator[Path]:
    """The file in which a download waits, this process's alone."""
    work = final.with_name(f".{final.name}.part")
    work.mkdir(parents=True, exist_ok=True)
    with lock_folders([work]) as alone:
        work.mkdir(exist_ok=True)  # whoever had it may have removed it
        part = work / ("part" if alone else f"part-{os.getpid()}")
        try:
            yield part
        finally:
            if not part.is_file() or not part.stat().st_size:
                shutil.rmtree(work, ignore_errors=True)


def _fetch_part(url: str, part: Path, prefix: str) -> None:
    """Fetch a file, or what is missing of it; once more from the start if the end does not go with the beginning."""
    resumed = part.is_file() and part.stat().st_size > 0
    _download(url, part)
    found = digest_file(part)
    if found.startswith(prefix):
        return
    part.unlink()
    if resumed:
        _fetch_part(url, part, prefix)
        return
    hint = "the server has another file, or changed it on its way; it was deleted"
    raise refuse(f"its SHA-256 begins with {found[: len(prefix)]}, not {prefix}", hide_password(url), hint)


def _download(url: str, part: Path) -> None:
    requests, downloader = _load_libraries()
    there = part.stat().st_size if part.is_file() else 0
    shown = hide_password(url)
    say_fetched(f"fetching {shown}{f', from byte {there:,}' if there else ''}")
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={there}-"} if there else {})}
    with PartFile(part) as stream:
        fetch = downloader(
            chunk_size=_CHUNK, timeout=settings.TIMEOUT, headers=headers, hooks={"response": stream.check_response}
        )
        try:
            fetch(url, stream, None)
        except requests.HTTPError as error:
            if error.response.status_code != 416 or not there:
                raise refuse(f"cannot be fetched: the server answers {error.response.status_code}", shown) from None
            stream.restart()  # it is longer than the file: the hash says so
        except requests.Timeout:
            raise refuse(f"no answer within {settings.TIMEOUT:g} s", shown, _next_try(stream.size)) from None
        except requests.TooManyRedirects:
            raise refuse("cannot be fetched: the server sends it from one address to the next", shown) from None
        except requests.RequestException:
            raise refuse("cut off" if stream.answered else "cannot be reached", shown, _next_try(stream.size)) from None
        except ValueError:  # of whatever library looks at it first
            raise refuse("the server sends it to what is no address", shown) from None
        finally:
            stream.hang_up()


def _next_try(size: int) -> str:
    return f"{size:,} bytes are here; the next try goes on from there" if size else "a file may be named in its place"


def load_pooch() -> Any:
    """pooch; raises `Refused` where it is not installed."""
    try:
        import pooch
    except ImportError:
        raise refuse("pooch is not installed, which fetches published weights", hint=settings.INSTALL) from None
    return pooch


def _load_libraries() -> tuple[Any, Any]:
    downloader = load_pooch().HTTPDownloader
    import requests  # which pooch needs

    return requests, downloader


class PartFile(io.BufferedWriter):
    """What has arrived of a file; more is put behind it, up to the most that is fetched.

    Raises `Refused` for more, and for answers that lead from https to http or do not fit on the disk.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._path, self._hang_up = path, list[Callable[[], None]]()
        self.size = path.stat().st_size
        self.answered = False

    def write(self, data: Any) -> int:
        """Put bytes behind what is there."""
        self.size += len(data)
        check_size(self.size, str(self._path))
        return super().write(data)

    def restart(self) -> None:
        """Forget what is there."""
        self.flush()
        self.truncate(0)
        self.size = 0

    def hang_up(self) -> None:
        """End the connections, also those that were refused."""
        for end in self._hang_up:
            end()

    def check_response(self, response: requests.Response, *_: Any, **__: Any) -> None:
        """Look at an answer before anything of it is written: of a server that begins anew, so does this."""
        shown = hide_password(response.url)
        self._hang_up.append(response.close)
        self.answered = response.ok
        if response.is_redirect:
            location = response.headers["location"].strip().lower()
            if response.url.startswith("https:") and location.startswith("http:"):
                raise refuse("leads from https to http, where anybody may change it", shown)
            return
        if response.status_code == 200:
            self.restart()
        length = response.headers.get("content-length", "")
        if response.ok and length.isdecimal():
            check_size(self.size + int(length), shown)
            free = shutil.disk_usage(self._path.parent).free
            if int(length) > free:
                raise refuse(f"is {int(length):,} bytes, and {free:,} are free", str(self._path.parent))
