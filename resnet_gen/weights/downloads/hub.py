"""A file of the Hugging Face hub, fetched by its own library into its own cache, which other programs share.

The hub says of each file which content it has; the file is held against that whenever it is used.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.problems import Refused, refuse, shorten, visible
from resnet_gen.system.digest import digest_file
from resnet_gen.system.files import open_regular_file
from resnet_gen.weights.downloads import settings
from resnet_gen.weights.downloads.settings import check_size, hide_password, refuse_cache, say_fetched

FILES = ("model.safetensors", "pytorch_model.bin")
"""The files that weights are in where no name is given, the first that a repository has."""
_COMMIT = re.compile("[0-9a-f]{40}")
_OF_DISK = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOTDIR, errno.EISDIR,
    errno.ENOENT, errno.EEXIST, errno.ENAMETOOLONG, errno.EIO,
}  # fmt: skip
"""Errors that are of this machine's files, not of the network."""


class HubFile(NamedTuple):
    """A file of the hub that is here, and the commit that it is of."""

    path: Path
    commit: str


class _Wanted(NamedTuple):
    repository: str
    revision: str
    name: str

    def __str__(self) -> str:
        return f"hf:{self.repository}@{self.revision}:{self.name}"


def fetch_from_hub(repository: str, revision: str | None, name: str | None) -> HubFile:
    """The file of a repository at a revision (`main` if none is said), by default the first of `FILES` that it has.

    Raises `Refused` for what cannot be had, and for a file with other bytes than the hub says.
    """
    names = FILES if name is None else (name,)
    wanted = [_Wanted(repository, revision or "main", each) for each in names]
    for each in wanted:
        if found := _find_cached(each):
            return found
    if settings.is_offline():
        hint = "put it into the cache with 'hf download' where there is a network, or name the file: --weights FILE"
        raise refuse("is needed and not in the cache, and nothing may be fetched", str(wanted[0]), hint)
    for each in wanted:
        if found := _fetch(each):
            return found
    raise refuse(
        f"has no file {' or '.join(names)} at {wanted[0].revision}",
        f"hf:{repository}",
        "hf:OWNER/NAME@REVISION:FILE names another",
    )


def _load_library() -> Any:
    """The hub's library; raises `Refused` where it is not installed, or the environment keeps it from loading."""
    _endpoint()  # checked first: what the library reads when it is imported stays until the program ends
    try:
        import huggingface_hub
        import huggingface_hub.file_download
    except ImportError:
        raise refuse(
            "huggingface_hub is not installed, which fetches weights of the hub", hint=settings.INSTALL
        ) from None
    except ValueError as error:
        hint = "it reads variables of the environment that begin with HF_"
        raise refuse(f"huggingface_hub cannot be loaded: {shorten(visible(str(error)), 300)}", hint=hint) from None
    return huggingface_hub


def _cache_folder() -> str | None:
    chosen = settings.own_cache()
    return str(chosen / "hub") if chosen else None


def _endpoint() -> str | None:
    """The address of the hub, which the library reads from the environment once, when it is imported."""
    url = os.environ.get("HF_ENDPOINT", "").rstrip("/")
    return settings.check_address("HF_ENDPOINT", url) if url else None


def _find_cached(wanted: _Wanted) -> HubFile | None:
    """A file that is in the cache: of a commit, or where nothing may be fetched of what a branch last was."""
    if not (_COMMIT.fullmatch(wanted.revision) or settings.is_offline()):
        return None
    found = _load_library().try_to_load_from_cache(
        wanted.repository, wanted.name, cache_dir=_cache_folder(), revision=wanted.revision
    )
    if not isinstance(found, str):
        return None
    there = _check_content(wanted, Path(found), None)
    if there.commit != wanted.revision:
        say_fetched(f"{wanted.revision} of {wanted.repository} was commit {there.commit} when it was fetched")
    return there


def _fetch(wanted: _Wanted) -> HubFile | None:
    """Fetch a file; None where the repository has none of that name."""
    hub, known = _load_library(), None
    try:
        url = hub.hf_hub_url(wanted.repository, wanted.name, revision=wanted.revision, endpoint=_endpoint())
        known = hub.get_hf_file_metadata(url, timeout=settings.TIMEOUT, endpoint=_endpoint(), library_name="resnet-gen")
        check_size(known.size, str(wanted))
        if not known.commit_hash or not _COMMIT.fullmatch(known.commit_hash):
            raise refuse("the server names no commit for it", hide_password(url))
        _announce(wanted, url, known.commit_hash)
        path = hub.hf_hub_download(
            wanted.repository,
            wanted.name,
            revision=wanted.revision,
            cache_dir=_cache_folder(),
            endpoint=_endpoint(),
            library_name="resnet-gen",
        )
    except hub.errors.RemoteEntryNotFoundError:
        return None
    except _list_failures(hub) as error:
        if not (isinstance(error, OSError) and error.errno in _OF_DISK):
            raise _word_failure(error, wanted) from None
        pinned = known and _find_cached(wanted._replace(revision=known.commit_hash))
        if not pinned:
            raise refuse_cache(error, settings.own_cache()) from None
        return pinned  # it is here, in a cache where nothing can be written
    found = _check_content(wanted, Path(path), known.etag)
    # A branch that moved between the two questions: then what there is now.
    return found if found.commit == known.commit_hash else _fetch(wanted._replace(revision=found.commit))


def _announce(wanted: _Wanted, url: str, commit: str) -> None:
    if commit != wanted.revision:
        pinned = wanted._replace(revision=commit)
        say_fetched(f"{wanted.revision} of {wanted.repository} is commit {commit}: {pinned} names it for good")
    say_fetched(f"fetching {hide_password(url)}")


def _list_failures(hub: Any) -> tuple[type[Exception], ...]:
    """What the library raises: its own, those of the HTTP client that its own extend, those of large files."""
    own = [base for base in hub.errors.HfHubHTTPError.__mro__ if issubclass(base, Exception) and base is not Exception]
    clients = [sys.modules.get(base.__module__.partition(".")[0]) for base in own]
    none = [found for client in clients if isinstance(found := getattr(client, _NO_ADDRESS, None), type)]
    return (OSError, ValueError, RuntimeError, *own, *none)


_NO_ADDRESS = "InvalidURL"
"""What HTTP clients raise where they are sent to what is no address; httpx' has no other of its errors above it."""


def _word_failure(error: Exception, wanted: _Wanted) -> Refused:
    response = getattr(error, "response", None)
    if type(error).__name__ == _NO_ADDRESS:
        return refuse("the hub sends it to what is no address", str(wanted))
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return refuse("is no name of the hub's", str(wanted))
    if response is None:
        return refuse("cannot be fetched: no answer, or cut off", str(wanted), "the next try goes on from what is here")
    status = response.status_code
    hint = (
        "the hub answers so for what is not there, too; a private one needs HF_TOKEN" if status in (401, 403) else None
    )
    return refuse(f"cannot be fetched: the hub answers {status}", str(wanted), hint)


def _check_content(wanted: _Wanted, path: Path, etag: str | None) -> HubFile:
    """The file, if its bytes are those that the hub named; raises `Refused` and forgets it if not.

    The cache calls a content by the name that the hub has for it, and a snapshot is a link to it.
    """
    blob = path.resolve()
    named = etag or blob.name
    wrong = (len(named) == 64 and digest_file(path) != named) or (len(named) == 40 and _git_hash(path) != named)
    if wrong:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise refuse("has other bytes than the hub says", str(wanted), "it was deleted; the next try fetches it anew")
    return HubFile(path, path.parents[wanted.name.count("/")].name)  # the folder of its snapshot


def _git_hash(path: Path) -> str:
    """What git calls a content: the hub does for small files."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with open_regular_file(path) as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
