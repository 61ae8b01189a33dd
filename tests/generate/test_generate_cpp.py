"""The C++ program: its tensors against ours, its errors and answers on a stand-in for TensorRT and CUDA on the CPU.

Needs g++ (or what CXX names), and for pictures `stb_image.h` (Debian: libstb-dev; STB_INCLUDE names its folder).
TENSORRT_INCLUDE and CUDA_INCLUDE name folders of NVIDIA's own headers, against which it is compiled too.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np
import PIL
import pytest
from PIL import Image

from resnet_gen.engine import image
from resnet_gen.generate.base import CodeSubject, generate_files
from resnet_gen.language.load import load
from resnet_gen.problems import Refused
from resnet_gen.system.resources import templates
from tests.helpers.onnx_runs import TINY
from tests.helpers.varied import spread

HERE = Path(__file__).parents[1] / "cpp"
CXX = shutil.which(os.environ.get("CXX", "g++"))
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wsign-conversion", "-Wshadow")
PROGRAM = ("main", "engine", "cuda", "numbers", "picture", "preprocess", "files")
SAME_PILLOW = int(PIL.__version__.partition(".")[0]) >= 13
"""Earlier versions sum columns first whatever the picture, and so round some pixels of tall ones otherwise."""

needs_compiler = pytest.mark.skipif(CXX is None, reason="no C++ compiler: g++ is not installed")


@cache
def stb():
    """The folder of stb_image.h, or None."""
    named = [Path(os.environ["STB_INCLUDE"])] if "STB_INCLUDE" in os.environ else []
    folders = [*named, *map(Path, ("/usr/include/stb", "/usr/local/include/stb", "/usr/include", "/usr/local/include"))]
    return next((folder for folder in folders if (folder / "stb_image.h").is_file()), None)


needs_stb = pytest.mark.skipif(
    CXX is None or stb() is None,
    reason="no stb_image.h (Debian: libstb-dev; STB_INCLUDE names its folder) or no g++",
)


def written(folder, spec=str(TINY), settings=()):
    """The program of a spec in a folder; and its input."""
    subject = CodeSubject(load(spec, settings))
    for name, text in generate_files(subject, "cpp").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / subject.name, subject.loaded.spec.input


def compiled(source, drivers, modules, *flags, output="driver"):
    """Compile drivers of ours with modules of the program, no warning allowed; where the program lies."""
    files = [*(HERE / f"{name}.cpp" for name in drivers), *(source / f"{name}.cpp" for name in modules)]
    system = [f"-isystem{stb()}"] if stb() else []
    options = [*STRICT, "-O0", "-ffp-contract=off", f"-I{source}", *system, *flags]
    objects = [object_of(file, options, source / f"{output}-{file.parent.name}-{file.stem}.o") for file in files]
    compiler(*flags, *objects, "-o", source / output)
    return source / output


_OBJECTS = {}
"""What was compiled before. Of two programs most files are the same, and each takes a second or two."""


def object_of(file, options, to):
    """A file compiled; the same text with the same options only once, wherever it lies."""
    text = compiler(*options, "-E", "-P", file)
    key = (file.name, text, *(option for option in options if not str(option).startswith(("-I", "-i"))))
    if key not in _OBJECTS:
        compiler(*options, "-c", file, "-o", to)
        _OBJECTS[key] = to
    return _OBJECTS[key]


def compiler(*words):
    done = subprocess.run([CXX, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


INPUTS = {
    "odd": ("input.channels=3", "input.size=[37,53]", "input.crop=0.9"),
    "gray": ("input.channels=1", "input.size=28", "input.mean=[0.5]", "input.std=[0.25]"),
    "alpha": ("input.channels=4", "input.size=24", "input.crop=0.7", "input.mean=[0.1,0.2,0.3,0.4]"),
}
SIZES = [(300, 200), (200, 301), (20, 11), (7, 90), (640, 33), (33, 640), (1, 1), (1, 700), (53, 37), (24, 24)]
EDGES = [(100, 160), (100, 200), (38, 48), (38, 49), (34, 44), (34, 45), (63, 57), (63, 58)]
"""Close to where the order of the passes changes, for one network or another."""


_MADE = {}


def once(key, make):
    """What was made under a key: tests in another order would have fixtures that have parameters made over and over."""
    if key not in _MADE:
        _MADE[key] = make()
    return _MADE[key]


@pytest.fixture(scope="module", params=spread(INPUTS, 1))
def network(request, tmp_path_factory):
    settings = INPUTS[request.param]
    more = ("input.std=[1,1,2,0.5]",) if request.param == "alpha" else ()
    return once(request.param, lambda: written(tmp_path_factory.mktemp("cpp"), settings=(*settings, *more)))


def pixels(size, channels, seed):
    """Noise, or for every third seed black and white, whose sums reach the ends of the scale."""
    found = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    return found if seed % 3 else (found // 160 * 255).astype(np.uint8)


def tensors(output, to):
    return np.frombuffer(output, np.float32).reshape(-1, *to.shape)


def levels(found, wanted, to):
    """The largest difference in steps of 1/255."""
    std = np.asarray(to.normalization[1], np.float32)[:, None, None]
    return np.abs((found - wanted) * std).max() * 255


@needs_compiler
def test_pixels_become_the_very_tensor_that_pillow_and_numpy_make(network):
    source, to = network
    driver = compiled(source, ["pixels"], ["preprocess"])
    cases = [pixels(size, to.channels, seed) for seed, size in enumerate([*SIZES, *EDGES, to.size[::-1]])]
    fed = b"".join(f"{a.shape[1]} {a.shape[0]} {to.channels}\n".encode() + a.tobytes() for a in cases)
    found = tensors(subprocess.run([driver], input=fed, capture_output=True, check=True).stdout, to)
    pictures = [Image.fromarray(a if to.channels > 1 else a[..., 0]) for a in cases]
    wanted = np.stack([image.normalize_pixels(image._resize_and_crop(picture, to), to)[0] for picture in pictures])
    if SAME_PILLOW:
        assert np.array_equal(found, wanted)
    elif to.channels != 4:  # what is divided by a small alpha may be many levels off
        assert levels(found, wanted, to) < 1.01
    else:
        pytest.skip("this Pillow is older than 13, whose order of passes the program has")


MODES = ["1", "L", "LA", "P", "RGB", "RGBA"]


def saved(folder, mode, size, seed, **options):
    """A PNG of this mode; one of a palette has alpha in it."""
    path = folder / f"{mode}{size[0]}x{size[1]}.png"
    colours = Image.fromarray(pixels(size, 4, seed))
    if mode == "P":
        colours.convert("RGB").quantize(50).save(path, transparency=bytes(range(50)))
    else:
        colours.convert("RGB").convert(mode).save(path, **options) if mode != "RGBA" else colours.save(path, **options)
    return path


@pytest.fixture(scope="module")
def every_reader(network):
    source, to = network
    modules = ["picture", "preprocess", "files"]
    return once(source, lambda: compiled(source, ["pictures"], modules, output="pictures")), to


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    source, to = written(tmp_path_factory.mktemp("reader"), settings=INPUTS["odd"])
    return compiled(source, ["pictures"], ["picture", "preprocess", "files"], output="pictures"), to


def read(reader, *paths):
    driver, to = reader
    done = subprocess.run([driver, *paths], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return tensors(done.stdout, to)


@needs_stb
@pytest.mark.skipif(not SAME_PILLOW, reason="this Pillow is older than 13, whose order of passes the program has")
def test_png_files_of_every_mode_become_the_very_tensor_of_ours(every_reader, tmp_path):
    paths = [saved(tmp_path, mode, size, seed) for mode in MODES for seed, size in enumerate(SIZES[:5])]
    wanted = np.concatenate([image.read_image(path, every_reader[1]) for path in paths])
    for path, ours, theirs in zip(paths, wanted, read(every_reader, *paths), strict=True):
        assert np.array_equal(ours, theirs), path.name


@needs_stb
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_exif_orientations_are_obeyed(reader, tmp_path, orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{kind}"
    rows, columns = np.mgrid[:40, :30, :1][:2]
    smooth = (rows * 2 + columns * 5).repeat(3, axis=2).astype(np.uint8)
    Image.fromarray(smooth).save(path, exif=exif)
    found, wanted = read(reader, path), image.read_image(path, reader[1])
    assert levels(found[0], wanted[0], reader[1]) < (0.01 if kind == "png" and SAME_PILLOW else 4)
    assert orientation == 1 or levels(found[0], read(reader, upright(tmp_path, smooth, kind))[0], reader[1]) > 8


def upright(folder, smooth, kind):
    Image.fromarray(smooth).save(folder / f"upright.{kind}")
    return folder / f"upright.{kind}"


JPEG_LEVELS = 3.01
"""Most that a value was off, of noise and of waves (1,440 files; g++ 12, stb of Debian 12, Pillow 13): 3."""


@needs_stb
@pytest.mark.parametrize("options", [{"quality": 95, "subsampling": 0}, {"quality": 75}, {"progressive": True}])
def test_jpeg_files_are_off_by_no_more_than_decoders_differ(reader, tmp_path, options):
    paths = []
    for seed, size in enumerate(SIZES[:5]):
        path = tmp_path / f"{seed}.jpg"
        Image.fromarray(pixels(size, 3, seed)).save(path, **options)
        paths.append(path)
        rows, columns = np.mgrid[: size[1], : size[0]]
        waves = np.stack([np.sin(columns / 9), np.cos(rows / 7), np.sin((rows + columns) / 5)], axis=2)
        Image.fromarray((waves * 120 + 128).astype(np.uint8)).save(tmp_path / f"waves{seed}.jpg", **options)
        paths.append(tmp_path / f"waves{seed}.jpg")
    wanted = np.concatenate([image.read_image(path, reader[1]) for path in paths])
    assert levels(read(reader, *paths), wanted, reader[1]) <= JPEG_LEVELS


@needs_stb
def test_16_bits_are_refused_where_gray_and_cut_to_8_in_colours_as_ours_are(reader, tmp_path):
    deep = tmp_path / "deep.png"
    Image.fromarray(np.full((9, 9), 300, np.uint16)).save(deep)
    assert refused(reader, deep) == f"{deep}: a picture of more than 8 bits a channel\n"
    with pytest.raises(Refused, match="a picture of more than 8 bits a channel"):
        image.read_image(deep, reader[1])


def refused(reader, path):
    done = subprocess.run([reader[0], path], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@needs_stb
def test_what_is_no_picture_is_refused(reader, tmp_path):
    noise = Image.fromarray(pixels((64, 64), 3, 1))
    for name in ("a.png", "a.jpg"):
        path = tmp_path / name
        noise.save(path)
        path.write_bytes(path.read_bytes()[:-1500])
        assert f"{path}: cannot be read: " in refused(reader, path)
    text = tmp_path / "text.png"
    text.write_text("no picture")
    assert refused(reader, text) == f"{text}: not a picture\n"
    text.write_text("")
    assert refused(reader, text) == f"{text}: not a picture\n"
    assert refused(reader, tmp_path / "none.png").endswith("cannot be read: No such file or directory\n")
    assert refused(reader, tmp_path).endswith("cannot be read: it is a folder\n")
    huge = tmp_path / "huge.png"
    Image.new("1", (20_000, 20_000)).save(huge)
    assert refused(reader, huge).endswith("more pixels than any picture should have\n")


@needs_stb
@pytest.mark.long
def test_damaged_bytes_crash_nothing(reader, tmp_path):
    """Every kind of damage gives a tensor or exit code 2, under the address sanitizer."""
    source = reader[0].parent
    sanitized = compiled(source, ["pictures"], ["picture", "preprocess", "files"], "-fsanitize=address,undefined",
                         "-fno-sanitize-recover=undefined", output="sanitized")  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = 6
    rng = np.random.default_rng(0)
    for name in ("a.png", "a.jpg"):
        Image.fromarray(pixels((19, 14), 3, 1)).save(tmp_path / name, exif=exif)
        data = (tmp_path / name).read_bytes()
        for case in range(40):
            damaged = bytearray(data)
            for place in rng.integers(2, min(len(data), 160), 3):
                damaged[place] = rng.integers(0, 256)
            path = tmp_path / f"{case}{name}"
            path.write_bytes(damaged if case % 3 else damaged[: rng.integers(1, len(data))])
            done = subprocess.run([sanitized, path], capture_output=True)
            assert done.returncode in (0, 2), (case, name, done.stderr.decode())


@needs_compiler
def test_16_bit_floats_are_those_of_numpy(tmp_path):
    source, _ = written(tmp_path)
    driver = compiled(source, ["numbers"], ["numbers"], f"-iquote{source}", output="numbers")
    every = np.arange(1 << 16, dtype=np.uint16)
    halves, short = every.view(np.float16).astype(np.float32), every.view(ml_dtypes.bfloat16).astype(np.float32)
    between = np.random.default_rng(0).integers(0, 1 << 32, 200_000, dtype=np.uint32).view(np.float32)
    with np.errstate(all="ignore"):
        ties = np.concatenate([(v[:-1].astype(np.float64) + v[1:]) / 2 for v in (halves, short)]).astype(np.float32)
    values = np.concatenate([halves, short, between, ties])
    done = subprocess.run([driver], input=values.tobytes(), capture_output=True, check=True)
    kinds = [("half", "<u2"), ("from_half", "<f4"), ("short", "<u2"), ("from_short", "<f4")]
    found = np.frombuffer(done.stdout, np.dtype(kinds))
    numbers = ~np.isnan(values)
    with np.errstate(all="ignore"):
        assert np.array_equal(found["half"][numbers], values[numbers].astype(np.float16).view(np.uint16))
        assert np.array_equal(found["short"][numbers], values[numbers].astype(ml_dtypes.bfloat16).view(np.uint16))
        assert np.array_equal(found["from_half"], values.astype(np.float16).astype(np.float32), equal_nan=True)
        short = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(found["from_short"], short, equal_nan=True)


SMALL = ("input.channels=3", "input.size=8", "head.classes=10")
ENGINE = "fake engine\ninput input float 4 -1 3 8 8 1 2\noutput logits float 2 -1 10\n"


@pytest.fixture(scope="module", params=spread(["tensorrt-rtx", "tensorrt"], 1))
def program(request, tmp_path_factory):
    """The program as its own CMakeLists.txt builds it where that is installed, on the stand-in for both libraries."""
    flags = ["-DWITH_TENSORRT_RTX"] if request.param == "tensorrt-rtx" else []

    return once(request.param, lambda: on_the_stand_in(tmp_path_factory.mktemp("program"), SMALL, *flags))


def on_the_stand_in(folder, settings, *flags):
    """The program of these settings with the stand-in for TensorRT, and its input."""
    source, to = written(folder, settings=settings)
    return compiled(source, ["fake_tensorrt"], PROGRAM, f"-isystem{HERE / 'stub'}", *flags, output="classify"), to


@pytest.fixture
def files(tmp_path):
    (tmp_path / "net.engine").write_text(ENGINE)
    for i in range(3):
        Image.fromarray(pixels((20 + i, 30), 3, i + 1)).save(tmp_path / f"{i}.png")
    return tmp_path


def classify(program, *words, **environment):
    done = subprocess.run([program[0], *map(str, words)], capture_output=True, text=True,
                          env={**os.environ, **environment})  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def answer(path, to, labels=None):
    """What the program prints of a picture, computed here: the stand-in's scores are sums of every tenth value."""
    values = image.read_image(path, to).ravel().astype(np.float64)
    scores = np.array([values[c::10].sum() for c in range(10)])
    chances = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    rows = [(int(c), chances[c]) for c in np.argsort(-chances, kind="stable")[:5]]
    return [str(path)] + [f"class {c:>5}  probability {p:.4f}" + (f"  {labels[c]}" if labels else "") for c, p in rows]


@needs_stb
def test_the_five_best_classes_of_each_picture_are_printed(program, files):
    paths = [files / f"{i}.png" for i in range(3)]  # in two batches: the engine takes two at a time
    code, out, err = classify(program, files / "net.engine", *paths)
    assert (code, err) == (0, "")
    assert out.splitlines() == [line for path in paths for line in answer(path, program[1])]


@needs_stb
@pytest.mark.parametrize("kind", ["half", "bf16"])
@pytest.mark.parametrize("batch", ["-1 3 8 8 3 4", "4 3 8 8"])
def test_16_bit_types_and_batches_that_are_larger_than_one(program, files, kind, batch):
    first = batch.split()[0]
    (files / "net.engine").write_text(
        f"fake engine\ninput input {kind} 4 {batch}\noutput stage1 {kind} 4 {first} 2 4 4\n"
        f"output logits {kind} 2 {first} 10\n"
    )
    code, out, err = classify(program, files / "net.engine", files / "0.png")
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()[1:2]] == [
        line.split()[:2] for line in answer(files / "0.png", program[1])[1:2]
    ]


@needs_stb
def test_a_cuda_graph_of_each_full_batch_computes_the_same(program, files):
    """Seven pictures by two: the first batch runs as it is, the next two as a graph, the last is of another size."""
    paths = [files / f"{i % 3}.png" for i in range(7)]
    log = files / "launches"
    code, out, err = classify(program, "--cuda-graph", files / "net.engine", *paths, FAKE_LAUNCHES=str(log))
    assert (code, err, log.read_text()) == (0, "", "2")
    assert out.splitlines() == [line for path in paths for line in answer(path, program[1])]
    (files / "net.engine").write_text(f"{ENGINE}fault capture\n")
    code, _, err = classify(program, "--cuda-graph", files / "net.engine", *paths)
    assert (code, "cannot be run" in err) == (1, True)


@needs_stb
def test_labels_are_shown_and_obeyed_by_no_terminal(program, files):
    labels = [f"label {i}" for i in range(10)]
    (files / "labels.txt").write_text("\r\n".join(labels) + "\r\n")
    code, out, _ = classify(program, "--labels", files / "labels.txt", files / "net.engine", files / "0.png")
    assert (code, out.splitlines()) == (0, answer(files / "0.png", program[1], labels))
    (files / "labels.txt").write_text("\n".join(["\x1b[2Jx"] * 10))
    _, out, _ = classify(program, "--labels", files / "labels.txt", files / "net.engine", files / "0.png")
    assert "\x1b" not in out
    assert "?[2Jx" in out
    (files / "labels.txt").write_text("one\n")
    code, out, err = classify(program, "--labels", files / "labels.txt", files / "net.engine", files / "0.png")
    assert (code, out) == (2, "")
    assert err == f"error: {files / 'labels.txt'}: has 1 lines, and the network 10 classes\n"


@needs_stb
def test_scores_that_are_no_numbers_are_told_and_come_last(program, files):
    (files / "net.engine").write_text(ENGINE + "fault nan\n")
    code, out, err = classify(program, files / "net.engine", files / "0.png")
    assert (code, err) == (0, f"{files / '0.png'}: warning: the network puts out values that are not finite\n")
    assert "class     0" not in out
    assert len(out.splitlines()) == 6


BROKEN = {
    "": "not an engine",
    "no engine": "net.engine: ",
    ENGINE.replace("3 8 8", "3 16 16"): "takes 'input' of Nx3x16x16, and this program feeds 'input' of Nx3x8x8 floats",
    ENGINE.replace("input input", "input x"): "takes 'x' of Nx3x8x8",
    ENGINE.replace("input float", "input int8"): "takes 'input' of Nx3x8x8",
    ENGINE.replace("-1 10", "-1 7"): "puts out 'logits' of Nx7, and this program reads Nx10 floats",
    ENGINE.replace("logits", "features"): "has no output 'logits'",
    ENGINE + "input mask float 2 -1 3 1 2\n": "has 2 inputs, and this program feeds one",
    ENGINE.replace("1 2\n", "0 0\n"): "takes no batch of images",
}


@needs_stb
@pytest.mark.parametrize("text", BROKEN)
def test_other_engines_are_refused_with_what_is_wrong(program, files, text):
    (files / "net.engine").write_text(text)
    code, out, err = classify(program, files / "net.engine", files / "0.png")
    assert (code, out) == (2, "")
    assert BROKEN[text] in err
    assert not text or f"hint: resnet-gen check-engine {files / 'net.engine'} says" in err


@needs_stb
@pytest.mark.parametrize(
    ("diagnostics", "message"),
    [
        ("1", "was built by another version of TensorRT-RTX"),
        ("2", "was built for other GPUs"),
        ("4", "needs a newer CUDA driver or runtime"),
        ("16", "needs more memory than the GPU has"),
        ("32", "not an engine of TensorRT-RTX, or damaged"),
    ],
)
def test_tensorrt_rtx_tells_why_an_engine_does_not_fit(program, files, diagnostics, message):
    code, _, err = classify(program, files / "net.engine", files / "0.png", FAKE_DIAGNOSTICS=diagnostics)
    rtx = b"TensorRT-RTX" in program[0].read_bytes()
    assert code == (2 if rtx else 0)
    assert (message in err) == rtx


@needs_stb
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("context", "cannot prepare it: out of memory"),
        ("enqueue", "cannot be run: a tensor has no address"),
        ("memory", "cudaMalloc: out of memory"),
    ],
)
def test_what_fails_on_the_gpu_exits_with_1(program, files, fault, message):
    (files / "net.engine").write_text(ENGINE + f"fault {fault}\n")
    code, out, err = classify(program, files / "net.engine", files / "0.png")
    assert (code, out) == (1, "")
    assert message in err


@needs_stb
def test_no_gpu_and_no_runtime_are_told(program, files):
    code, _, err = classify(program, files / "net.engine", files / "0.png", FAKE_NO_GPU="1")
    assert (code, err.splitlines()[0]) == (2, "error: no GPU can be used: no CUDA-capable device is detected")
    code, _, err = classify(program, files / "net.engine", files / "0.png", FAKE_NO_RUNTIME="1")
    assert code == 1
    assert "cannot be started: it gave no reason" in err


@needs_stb
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no engine is named"),
        (["a.engine"], "no picture is named"),
        (["--top", "3"], "there is no option '--top'"),
        (["--labels"], "--labels needs a file"),
        (["a.engine", "none.png"], "none.png: cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_command_line_is_told(program, words, message):
    code, out, err = classify(program, *words)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == f"error: {message}"


@needs_stb
def test_a_missing_engine_and_help(program, files):
    code, _, err = classify(program, files / "none.engine", files / "0.png")
    assert (code, err) == (2, f"error: {files / 'none.engine'}: cannot be read: No such file or directory\n")
    code, out, _ = classify(program, "--help")
    assert code == 0
    assert out.startswith("usage: classify [--labels FILE] [--cuda-graph] ENGINE PICTURE...\n")
    assert load(str(TINY)).spec.name in out or load(str(TINY)).spec.title in out


@needs_stb
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told(program, files):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([program[0], files / "net.engine", files / "0.png"], stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"error: the output cannot be written\n")


@needs_stb
@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
@pytest.mark.long
@pytest.mark.parametrize("runtime", ["tensorrt-rtx", "tensorrt"])
def test_its_own_cmake_project_builds_it(tmp_path, runtime):
    source, _ = written(tmp_path, settings=SMALL)
    libraries = tmp_path / "root" / "lib"
    library = libraries / f"lib{'tensorrt_rtx' if runtime == 'tensorrt-rtx' else 'nvinfer'}.so"
    libraries.mkdir(parents=True)
    shutil.copytree(HERE / "stub", tmp_path / "root" / "include")
    flags = ["-shared", "-fPIC", *(["-DWITH_TENSORRT_RTX"] if runtime == "tensorrt-rtx" else [])]
    sources = [HERE / "fake_tensorrt.cpp", source / "numbers.cpp"]
    fake = [CXX, "-std=c++17", *flags, f"-I{HERE / 'stub'}", f"-iquote{source}", *sources, "-o", library]
    subprocess.run(fake, check=True)
    shutil.copy(library, libraries / "libcudart.so")
    root = f"-DTENSORRT_ROOT={tmp_path / 'root'}", f"-DCUDA_ROOT={tmp_path / 'root'}"
    stb_folder = f"-DSTB_INCLUDE_DIR={stb()}"
    configure = ["cmake", "-S", source, "-B", tmp_path / "out", f"-DRUNTIME={runtime}", *root, stb_folder]
    strict = ["-DWARNINGS_AS_ERRORS=ON", "-DCMAKE_BUILD_TYPE=Debug"]
    done = subprocess.run([*configure, *strict], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(["cmake", "--build", tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert classify((tmp_path / "out/classify", None), "--help")[0] == 0
    wrong = subprocess.run([*configure, "-DRUNTIME=onnx"], capture_output=True, text=True)
    assert "RUNTIME is 'onnx': tensorrt-rtx and tensorrt are known" in wrong.stderr


def header_folders():
    """Folders of CUDA's own headers: named, or those of nvidia-cuda-runtime and nvidia-cuda-crt from PyPI."""
    if "CUDA_INCLUDE" in os.environ:
        return [Path(os.environ["CUDA_INCLUDE"])]
    found = (Path(place) / "nvidia" for place in sys.path if (Path(place) / "nvidia").is_dir())
    folders = [path.parent for folder in found for path in folder.glob("*/include/cuda_runtime_api.h")]
    return [folder for folder in folders if (folder / "crt" / "host_defines.h").is_file()]


@needs_stb
@pytest.mark.parametrize("define", [[], ["-DWITH_TENSORRT_RTX"]])
def test_it_compiles_with_cuda_s_own_headers(tmp_path, define):
    if not header_folders():
        pytest.skip("CUDA's headers are not installed (pip install nvidia-cuda-runtime nvidia-cuda-crt)")
    source, _ = written(tmp_path)
    only_compiled(source, *define, f"-isystem{header_folders()[0]}", f"-idirafter{HERE / 'stub'}")


def only_compiled(source, *flags):
    for name in ("cuda", "engine", "main"):
        command = [CXX, *STRICT, "-fsyntax-only", *flags, str(source / f"{name}.cpp")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@needs_stb
def test_it_compiles_with_tensorrt_s_own_headers(tmp_path):
    if "TENSORRT_INCLUDE" not in os.environ or not header_folders():
        pytest.skip("TENSORRT_INCLUDE names no folder with NvInfer.h (and CUDA_INCLUDE none with CUDA)")
    source, _ = written(tmp_path)
    folder = Path(os.environ["TENSORRT_INCLUDE"])
    text = "".join(path.read_text(errors="replace") for path in folder.glob("NvInfer*.h"))
    define = ["-DWITH_TENSORRT_RTX"] if "getEngineValidity" in text else []
    only_compiled(source, *define, f"-isystem{folder}", f"-isystem{header_folders()[0]}")


COUNTERPARTS = {
    "createInferRuntime": ("", "Runtime"),
    "getEngineValidity": ("Runtime", "get_engine_validity"),
    "deserializeCudaEngine": ("Runtime", "deserialize_cuda_engine"),
    "getNbIOTensors": ("ICudaEngine", "num_io_tensors"),
    "getIOTensorName": ("ICudaEngine", "get_tensor_name"),
    "getTensorIOMode": ("ICudaEngine", "get_tensor_mode"),
    "getTensorDataType": ("ICudaEngine", "get_tensor_dtype"),
    "getTensorShape": ("ICudaEngine", "get_tensor_shape"),
    "getNbOptimizationProfiles": ("ICudaEngine", "num_optimization_profiles"),
    "getProfileShape": ("ICudaEngine", "get_tensor_profile_shape"),
    "createExecutionContext": ("ICudaEngine", "create_execution_context"),
    "setInputShape": ("IExecutionContext", "set_input_shape"),
    "setOptimizationProfileAsync": ("IExecutionContext", "set_optimization_profile_async"),
    "setTensorAddress": ("IExecutionContext", "set_tensor_address"),
    "enqueueV3": ("IExecutionContext", "execute_async_v3"),
}
"""Each function of TensorRT that the program calls, and what Python's module calls it."""
ENUMS = {
    "DataType": "DataType",
    "TensorIOMode": "TensorIOMode",
    "EngineValidity": "EngineValidity",
    "EngineInvalidityDiagnostics": "EngineInvalidityDiagnostics",
    "Severity": "ILogger.Severity",
}


def engine_source():
    return (templates() / "cpp" / "engine.cpp.jinja").read_text(encoding="utf-8")


def test_every_call_of_tensorrt_has_its_counterpart_in_the_real_library_s_python_module():
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    called = set(re.findall(r"(?:runtime_?|engine_|context_)(?:->|\.)(\w+)\(", engine_source()))
    called |= set(re.findall(r"nvinfer1::(create\w+)\(", engine_source()))
    assert called - {"reset", "get"} == set(COUNTERPARTS)
    for place, name in COUNTERPARTS.values():
        assert hasattr(getattr(trt, place) if place else trt, name), name


def test_the_stub_s_enumerations_have_the_real_library_s_names_and_values():
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    stub = (HERE / "stub" / "NvInfer.h").read_text(encoding="utf-8")
    for name, theirs in ENUMS.items():
        (body,) = re.findall(rf"enum class {name} [^{{]*{{([^}}]*)}}", stub)
        ours = {key.removeprefix("k"): int(value) for key, value in re.findall(r"(k\w+) = (\d+)", body)}
        real = trt
        for step in theirs.split("."):
            real = getattr(real, step)
        for key, value in ours.items():
            if hasattr(real, key):  # NONE of TensorIOMode, say, has other letters
                assert int(getattr(real, key)) == value, (name, key)
        assert any(hasattr(real, key) for key in ours)


def test_the_real_library_exports_what_the_program_links_to():
    libs = pytest.importorskip("tensorrt_rtx_libs", reason="TensorRT-RTX is not installed")
    (library,) = Path(libs.__file__).parent.glob("libtensorrt_rtx.so*")
    with library.open("rb") as stream:
        assert b"createInferRuntime_INTERNAL" in stream.read()


def refusal(spec, settings=()):
    with pytest.raises(Refused) as caught:
        generate_files(CodeSubject(load(spec, settings)), "cpp")
    return str(caught.value)


def test_networks_that_classify_no_picture_are_refused():
    assert "alphago-zero-20 classifies nothing: it outputs 'policy', 'value'" in refusal("alphago-zero-20")
    assert "tiny classifies nothing: it outputs 'features'" in refusal(str(TINY), ["head=none"])
    assert "a picture cannot become 2 channels" in refusal(
        str(TINY), ["input.channels=2", "input.mean=[0,0]", "input.std=[1,1]"]
    )
    assert "input.mean: beyond what float32 holds" in refusal(str(TINY), ["input.mean=[1.0e+300]"])
    assert "input.std: too near 0 for float32" in refusal(str(TINY), ["input.std=[1.0e-46]"])


HOSTILE = 'A "quoted" \\ title */ ??/ with ${CMAKE} `ticks` | and ünïcode 漢\nsecond line // \\'


@needs_compiler
def test_no_title_breaks_the_code(tmp_path):
    spec = tmp_path / "test.yaml"  # a name that CMake keeps for itself
    spec.write_text(f"name: test\nextends: {TINY}\ntitle: {_quoted(HOSTILE)}\npaper: {_quoted(HOSTILE)}\n")
    source, _ = written(tmp_path, str(spec))
    (tmp_path / "show.cpp").write_text(
        '#include "test/network.hpp"\n#include <cstdio>\nint main() { return std::puts(network::kTitle) < 0; }\n'
    )
    subprocess.run([CXX, *STRICT, tmp_path / "show.cpp", "-o", tmp_path / "show"], check=True)
    shown = subprocess.run([tmp_path / "show"], capture_output=True, check=True).stdout
    assert shown.decode() == HOSTILE + "\n"
    assert "project(classify " in (source / "CMakeLists.txt").read_text()


def _quoted(text):
    return json.dumps(text, ensure_ascii=False)


# --- what a spec serves ------------------------------------------------------

SERVED = {
    "bytes": ("serve.order=BGR", "uint8 4 -1 8 8 3", lambda x: x[..., ::-1]),
    "floats": (
        "serve={type: float32, layout: NCHW}",
        "float 4 -1 3 8 8",
        lambda x: x.transpose(2, 0, 1) / np.float32(255),
    ),
}


def check_graphs_by_default(program, files, *, expected):
    """What the specification says of CUDA graphs is the program's default, and an option says otherwise."""
    option = "--no-cuda-graph" if expected else "--cuda-graph"
    log, paths = files / "launches", [files / f"{i % 3}.png" for i in range(7)]
    for words, launched in (([], expected), ([option], not expected)):
        log.write_text("none")
        code, _, err = classify(program, *words, files / "net.engine", *paths, FAKE_LAUNCHES=str(log))
        assert (code, err, log.read_text() == "2") == (0, "", launched)
    _, out, _ = classify(program, "--help")
    assert out.startswith(f"usage: classify [--labels FILE] [{option}] ENGINE")
    assert f"\n{option}  " in out


@needs_stb
@pytest.mark.parametrize("way", SERVED)
def test_pixels_are_handed_over_as_a_served_engine_takes_them(way, files):
    setting, tensor, arranged = SERVED[way]
    labels = [f'name "{i}"' for i in range(10)]
    graphs = way == "bytes"
    settings = (*SMALL, setting, f"serve.labels={json.dumps(labels)}", f"engine.cuda_graphs={str(graphs).lower()}")
    served = _, to = on_the_stand_in(files, settings, "-DWITH_TENSORRT_RTX")
    (files / "net.engine").write_text(f"fake engine\ninput input {tensor} 1 2\noutput logits float 2 -1 10\n")
    code, out, err = classify(served, files / "net.engine", files / "0.png", files / "1.png", files / "2.png")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    for place, name in enumerate(("0.png", "1.png", "2.png")):
        values = arranged(image.read_pixels(files / name, to)[0].astype(np.float32)).ravel().astype(np.float64)
        best = int(np.argmax([values[c::10].sum() for c in range(10)]))
        assert lines[6 * place + 1].split()[:2] == ["class", str(best)]
        assert lines[6 * place + 1].endswith(f'  name "{best}"')
    check_graphs_by_default(served, files, expected=graphs)
    (files / "net.engine").write_text(
        ENGINE.replace("3 8 8", "8 8 3") if way == "bytes" else ENGINE.replace("8 8", "9 8")
    )
    code, _, err = classify(served, files / "net.engine", files / "0.png")
    assert code == 2
    assert f"of Nx{'8x8x3' if way == 'bytes' else '3x8x8'} {way}" in err


@needs_stb
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_the_best_classes_of_a_served_engine_are_printed_as_it_names_them(kind, files, tmp_path_factory):
    settings = (*SMALL, "serve.outputs=[top3]")
    served = _, to = once("top3", lambda: on_the_stand_in(tmp_path_factory.mktemp("program"), settings))
    outputs = f"output top3_values float 2 -1 3\noutput top3_indices {kind} 2 -1 3\n"
    (files / "net.engine").write_text(f"fake engine\ninput input uint8 4 -1 8 8 3 1 2\n{outputs}")
    code, out, err = classify(served, files / "net.engine", files / "0.png")
    assert (code, err) == (0, "")
    values = image.read_pixels(files / "0.png", to).ravel().astype(np.float64)
    sums = [values[c::3].sum() for c in range(3)]  # the stand-in's, for scores and for numbers of classes
    assert out.splitlines()[1:] == [f"class {int(found):>5}  probability {found:.4f}" for found in sums]


ANY = {
    "bytes": ("serve={size: any, order: BGR}", "uint8 4 -1 -1 -1 3", "{} {} 3", lambda x: x[..., ::-1]),
    "floats": (
        "serve={size: any, type: float32, layout: NCHW}",
        "float 4 -1 3 -1 -1",
        "3 {} {}",
        lambda x: x.transpose(2, 0, 1) / np.float32(255),
    ),
}
SIZES = (*[(9, 30)] * 6, (30, 9), (70, 60), (9, 30))
"""Width and height."""


@needs_stb
@pytest.mark.parametrize("way", spread(ANY, 1))
def test_pictures_of_any_size_are_handed_over_as_they_are(way, files):
    """By the first profile that takes them, those of one size together; one that no profile takes stops all."""
    setting, tensor, shape, arranged = ANY[way]
    served = _, to = on_the_stand_in(files, (*SMALL, setting), "-DWITH_TENSORRT_RTX")
    profiles = [f"profile 4 1 {shape.format(*least)} {batch} {shape.format(*most)}\n"
                for least, batch, most in (((8, 8), 2, (40, 40)), ((8, 8), 1, (60, 80)))]  # fmt: skip
    text = f"fake engine\ninput input {tensor}\noutput logits float 2 -1 10\n{''.join(profiles)}"
    (files / "net.engine").write_text(text)
    paths = [files / f"any{i}.png" for i in range(len(SIZES))]
    for i, path in enumerate(paths):
        Image.fromarray(pixels(SIZES[i], 3, i)).save(path)
    log = files / "launches"
    for words, launched in (([], "none"), (["--cuda-graph"], "2")):
        log.write_text("none")
        code, out, err = classify(served, *words, files / "net.engine", *paths, FAKE_LAUNCHES=str(log))
        assert (code, err, log.read_text()) == (0, "", launched)
        found = [line.split()[1] for line in out.splitlines()[1::6]]
        for path, best in zip(paths, found, strict=True):
            values = arranged(image.read_pixels(path, to, whole=True)[0].astype(np.float32)).ravel().astype(np.float64)
            assert best == str(np.argmax([values[c::10].sum() for c in range(10)]))
    Image.fromarray(pixels((20, 61), 3, 0)).save(files / "tall.png")
    code, out, err = classify(served, files / "net.engine", paths[0], files / "tall.png")
    assert (code, out) == (2, "")
    assert f"{files / 'tall.png'}: is 61x20 (height x width), and the engine takes 8x8 to 40x40, or 8x8 to 60x80" in err
    (files / "net.engine").write_text(text.replace(tensor, tensor[::-1].replace("1-", "9", 1)[::-1]))
    code, _, err = classify(served, files / "net.engine", paths[0])
    assert (code, "and this program feeds 'input' of Nx" in err) == (2, True)


@needs_stb
def test_an_engine_of_several_sizes_is_fed_the_network_s_own(program, files):
    sides = (
        "fake engine\ninput input float 4 -1 3 -1 -1\noutput logits float 2 -1 10\nprofile 4 1 3 {0} {0} 2 3 16 16\n"
    )
    (files / "net.engine").write_text(sides.format(8))
    code, out, err = classify(program, files / "net.engine", files / "0.png")
    assert (code, err, out.splitlines()) == (0, "", answer(files / "0.png", program[1]))
