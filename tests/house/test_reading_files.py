"""Files are read through one door, which lets regular files through alone, and pictures by the formats promised."""

import ast
from pathlib import Path

import pytest

from resnet_gen.engine import image
from tests.house.rooms import parsed

PACKAGE = Path(__file__).parents[2] / "resnet_gen"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "system" / "files.py")
METHODS = {"open", "read_bytes", "read_text"}
"""Of a path."""
FUNCTIONS = {"open", "fromfile", "memmap", "safe_open", "ZipFile", "loadtxt", "copyfile", "InferenceSession"}
LOADERS = {"np", "numpy", "onnx"}
"""Modules whose `load` opens a file."""
STREAMS = {"stream", "guarded", "pipe"}
"""What an open file is called."""
EXCEPTIONS = {
    "weights/formats/safetensors.py": {"safe_open"},
    "engine/onnxruntime.py": {"InferenceSession"},
    "system/file_locks.py": {"open"},
    "system/staging.py": {"open"},
}
"""Libraries that take names alone, of files that the door has let through; and folders, locked and flushed."""


def opens_a_name(call):
    """What opens a file by its name to read it, if a call does."""
    is_method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if is_method else getattr(call.func, "id", "")
    holder = getattr(call.func.value, "id", "") if is_method else ""
    if name == "open" and holder == "Image":
        return None if any(word.arg == "formats" for word in call.keywords) else name
    if name not in (FUNCTIONS | METHODS if is_method else FUNCTIONS) and not (name == "load" and holder in LOADERS):
        return None
    inner = {node.id for argument in call.args[:1] for node in ast.walk(argument) if isinstance(node, ast.Name)}
    words = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)}
    writes = {"w", "wb", "xb"} & words or any(getattr(node, "attr", "") == "O_WRONLY" for node in ast.walk(call))
    return None if inner & STREAMS or holder == "archive" or writes else name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_opens_a_file_but_through_the_door(path):
    found = {opens_a_name(node) for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)} - {None}
    allowed = EXCEPTIONS.get(path.relative_to(PACKAGE).as_posix(), set())
    assert found == allowed, "use resnet_gen.system.files.open_regular_file"


@pytest.mark.parametrize(
    "line",
    [
        "path.open('rb')",
        "path.open()",
        "open(path)",
        "path.read_bytes()",
        "folder.joinpath('x').read_text(encoding='utf-8')",
        "np.load(path)",
        "np.memmap(path, np.uint8, 'r')",
        "zipfile.ZipFile(path)",
        "Image.open(path)",
        "os.open(path, os.O_RDONLY)",
        "safe_open(path, framework='numpy')",
    ],
)
def test_what_opens_a_file_is_noticed(line):
    assert opens_a_name(ast.parse(line).body[0].value)


def test_pillow_reads_the_formats_that_are_promised_and_those_that_start_programs_are_not_among_them():
    assert set(image.FORMATS) == {"BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"}


def test_generated_code_opens_pictures_by_those_formats_too():
    folder = PACKAGE.parent / "templates"
    found = [
        line for path in folder.rglob("*.jinja") for line in path.read_text().splitlines() if "Image.open(" in line
    ]
    assert found
    assert all("formats=FORMATS" in line for line in found)
    assert all(
        str(image.FORMATS).replace("'", '"') in path.read_text(encoding="utf-8")
        for path in folder.rglob("preprocessing*")
    )
