"""What classes are called: a text file with a line for each, in their order."""

from __future__ import annotations

from pathlib import Path

from resnet_gen.ops.limits import CLASSES
from resnet_gen.problems import refuse, shorten, visible
from resnet_gen.system.files import SMALL, read_regular_file, why_unread

_LONGEST = 500


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels of a file, one a line; raises `Refused` for what is no text of short, visible lines."""
    try:
        text = read_regular_file(path, SMALL).decode()
    except OSError as error:
        raise refuse(why_unread(error), str(path)) from None
    except UnicodeDecodeError as error:
        raise refuse(f"not UTF-8 text: a byte at offset {error.start}", str(path)) from None
    return check_labels(text.removeprefix("\ufeff").splitlines(), str(path))


def check_labels(labels: list[str], where: str) -> tuple[str, ...]:
    """Labels without blanks around them; refuses empty ones, long ones, and characters that do not show."""
    found = tuple(label.strip() for label in labels)
    for number, label in enumerate(found, 1):
        if not label:
            raise refuse(f"line {number}: a label is empty", where, "a line for each class, and no others")
        if label != visible(label) or len(label) > _LONGEST:
            raise refuse(f"line {number}: '{shorten(visible(label))}' has what does not show, or is too long", where)
    if not CLASSES[0] <= len(found) <= CLASSES[1]:
        raise refuse("it has no labels", where)
    return found
