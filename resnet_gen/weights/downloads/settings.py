"""What the environment says of downloads: where they come from, where they are kept, whether there are any."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from resnet_gen.problems import Refused, refuse, shorten, visible

CACHE, OFFLINE, MIRROR = "RESNET_GEN_CACHE", "RESNET_GEN_OFFLINE", "RESNET_GEN_TORCHVISION_URL"
PUBLISHER = "https://download.pytorch.org/models"
"""Where torchvision's files are, without a mirror."""
LARGEST = 8 << 30
"""Bytes of a file that is fetched; the largest of the networks that are shipped has a third of it."""
TIMEOUT = 30.0
"""Seconds that a server may say nothing."""
INSTALL = "pip install 'resnet-gen[download]', or name a file"
_NO = ("", "0", "false", "no", "off")

announce: ContextVar[Callable[[str], None] | None] = ContextVar("announce", default=None)
"""Who hears that something is fetched, before it is."""


def say_fetched(what: str) -> None:
    """Tell whoever asked for it what is about to be fetched, or which revision that was."""
    if listener := announce.get():
        listener(what)


def is_offline() -> bool:
    """Whether nothing may be fetched: said to this program, or to all that fetch from the hub."""
    return any(os.environ.get(name, "").lower() not in _NO for name in (OFFLINE, "HF_HUB_OFFLINE"))


def own_cache() -> Path | None:
    """The folder that somebody chose for all that is fetched; None for the usual ones."""
    return Path(named).expanduser() if (named := os.environ.get(CACHE)) else None


def refuse_cache(error: OSError, folder: Path | None) -> Refused:
    """What is said where files cannot be kept: of which one, if that is known, and why."""
    where = error.filename or folder
    shown = None if where is None else shorten(visible(os.fsdecode(where)), 300)
    return refuse(
        f"cannot be used: {error.strerror or error}", shown, f"{CACHE} names another folder for what is fetched"
    )


def mirror_url() -> str:
    """Where torchvision's files are fetched from."""
    return check_address(MIRROR, os.environ.get(MIRROR) or PUBLISHER).rstrip("/")


def check_address(variable: str, url: str) -> str:
    """An address that a variable of the environment has; raises `Refused` for what is none."""
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        found = False
    if not found:
        raise refuse(f"{variable}: '{shorten(hide_password(url))}' is no http or https address")
    return url


def hide_password(url: str) -> str:
    """An address as it may be shown: without a user and a password, and without what follows a question mark."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_size(size: int | None, shown: str) -> None:
    """Refuse a file that is larger than any that is wanted."""
    if size is not None and size > LARGEST:
        raise refuse(f"is {size:,} bytes, and at most {LARGEST:,} are fetched", shown)
