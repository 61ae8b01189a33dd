"""Labelled images: which class each is of, which are taken, and what is wrong with those that are refused."""

import csv
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_gen.engine.evaluation import image_arrays
from resnet_gen.engine.evaluation.labelled_images import BrokenImage, choose_evenly
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.engine.image import read_image
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused
from resnet_gen.quantization.calibration.images import open_images
from tests.helpers import pictures
from tests.helpers.privileges import bound, permissions_hold

TAKEN = Input(size=(16, 16))
GREY = Input(channels=1, size=(8, 8))


def picture(path, colour=0, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (20, 24), colour).save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Three classes, whose files were made in another order than they sort."""
    for name in ("dog/2.png", "cat/b.png", "ant/1.png", "dog/1.png", "cat/a.PNG", "cat/more/c.jpg"):
        picture(tmp_path / "data" / name)
    return tmp_path / "data"


def listed(images):
    return [(images.name(at).replace(os.sep, "/"), int(label)) for at, label in enumerate(images.labels)]


def test_class_folders_count_in_the_order_of_their_names(folder):
    images = open_labelled_images(str(folder))
    assert images.classes == ("ant", "cat", "dog")
    assert listed(images) == [
        ("ant/1.png", 0), ("cat/a.PNG", 1), ("cat/b.png", 1), ("cat/more/c.jpg", 1), ("dog/1.png", 2), ("dog/2.png", 2),
    ]  # fmt: skip
    assert images.notes == ()


def test_numbers_sort_as_text_and_that_is_said(tmp_path):
    for name in ("0", "1", "2", "10"):
        picture(tmp_path / name / "x.png")
    images = open_labelled_images(str(tmp_path))
    assert images.classes == ("0", "1", "10", "2")
    assert "'10' stands before '2'" in images.notes[0]


def test_a_file_of_names_says_another_order(folder, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("dog\ncat\nbat\nant\n")
    images = open_labelled_images(str(folder), names)
    assert images.classes == ("dog", "cat", "bat", "ant")
    assert [label for _, label in listed(images)] == [3, 1, 1, 1, 0, 0]
    assert images.notes == (f"{folder}: 1 of 4 classes without pictures",)


def test_imagenet_s_lines_are_found_by_their_synsets(tmp_path):
    names = tmp_path / "synsets.txt"
    names.write_text("n01440764 tench, Tinca tinca\nn01443537 goldfish\nn01484850 great white shark\n")
    for synset in ("n01443537", "n01484850", "n01440764"):
        picture(tmp_path / "val" / synset / "x.JPEG")
    images = open_labelled_images(str(tmp_path / "val"), names)
    assert listed(images) == [("n01440764/x.JPEG", 0), ("n01443537/x.JPEG", 1), ("n01484850/x.JPEG", 2)]
    assert images.notes == ()
    lines = names.read_text().splitlines()
    names.write_text("\n".join([lines[1], lines[0], lines[2]]))
    assert "not in the order of their synsets" in open_labelled_images(str(tmp_path / "val"), names).notes[0]


def test_what_is_hidden_or_no_picture_is_left_out(folder):
    for name in (".ipynb_checkpoints/x.png", "cat/.hidden.png", "cat/.more/x.png"):
        picture(folder / name)
    (folder / "cat" / "notes.txt").write_text("x")
    (folder / "README").write_text("x")
    images = open_labelled_images(str(folder))
    assert (len(images), images.classes) == (6, ("ant", "cat", "dog"))
    assert images.notes == (f"{folder}: 1 file left out: by their names no pictures",)


def test_class_folders_and_pictures_may_be_links_and_loops_end(folder, tmp_path):
    (folder / "eel").symlink_to(folder / "dog", target_is_directory=True)
    (folder / "cat" / "loop").symlink_to(folder / "cat", target_is_directory=True)
    (folder / "cat" / "z.png").symlink_to(folder / "ant" / "1.png")
    (folder / "cat" / "itself").symlink_to("itself")
    images = open_labelled_images(str(folder))
    assert len(images) == 9
    assert sum(isinstance(image, BrokenImage) for image in images.walk([ImageForm(TAKEN)])) == 0


def test_folders_nest_as_deep_as_anybody_s_and_no_deeper(folder):
    deep = folder / "ant"
    for number in range(120):
        deep /= "x"
        deep.mkdir()
        if number == 90:
            picture(deep / "z.png")
    with pytest.raises(Refused, match="folders in more than 100 folders"):
        open_labelled_images(str(folder))
    shutil.rmtree(folder / "ant" / "/".join("x" * 96))
    assert len(open_labelled_images(str(folder))) == 7


@pytest.mark.skipif(not bound(), reason="permissions do not bind this user")
def test_a_folder_that_may_not_be_read_is_refused_and_not_passed_by(folder):
    (folder / "cat" / "more").chmod(0)
    try:
        with permissions_hold(), pytest.raises(Refused, match="more: error: cannot be read: Permission denied"):
            open_labelled_images(str(folder))
    finally:
        (folder / "cat" / "more").chmod(0o755)


def test_a_name_that_is_no_text_is_one_all_the_same(folder):
    os.rename(folder / "ant" / "1.png", os.fsencode(folder) + b"/ant/\xff.png")  # noqa: PTH104 - of bytes
    images = open_labelled_images(str(folder))
    assert os.fsencode(images.name(0)) == b"ant/\xff.png"
    assert not [image for image in images.walk([ImageForm(TAKEN)]) if isinstance(image, BrokenImage)]


def test_a_subset_is_evenly_spread_and_always_the_same(folder):
    images = open_labelled_images(str(folder), most=3)
    assert listed(images) == [("ant/1.png", 0), ("cat/b.png", 1), ("dog/1.png", 2)]
    assert (len(images), images.total) == (3, 6)
    assert [*choose_evenly(10, 4)] == [0, 2, 5, 7]
    assert len(set(choose_evenly(1_000_003, 999_999))) == 999_999
    assert [*choose_evenly(3, 9)] == [0, 1, 2]


def test_pictures_become_what_run_makes_of_them(tmp_path):
    """Of every mode and of awkward sizes, for two networks that take them otherwise."""
    (tmp_path / "a").mkdir()
    paths = sorted(pictures.saved(tmp_path / "a"))
    other = Input(channels=1, size=(8, 12), mean=[0.5], std=[0.25])
    for path, image in zip(
        paths,
        open_labelled_images(str(tmp_path)).walk([ImageForm(TAKEN), ImageForm(other), ImageForm(TAKEN)]),
        strict=True,
    ):
        for array, taken in zip(image.arrays, (TAKEN, other, TAKEN), strict=True):
            np.testing.assert_array_equal(array, read_image(path, taken)[0])


def test_a_broken_picture_is_told_apart_and_the_others_go_on(folder):
    (folder / "cat" / "b.png").write_bytes(b"no picture")
    (folder / "dog" / "1.png").write_bytes((folder / "dog" / "2.png").read_bytes()[:45])
    found = list(open_labelled_images(str(folder)).walk([ImageForm(TAKEN)]))
    assert [at for at, image in enumerate(found) if isinstance(image, BrokenImage)] == [2, 4]
    assert str(folder / "cat" / "b.png") in str(found[2].refused)


# --- tables -------------------------------------------------------------------


def table(folder, rows, name="t.csv"):
    with (folder / name).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return str(folder / name)


def test_a_table_lists_paths_from_its_folder(folder):
    rows = [("cat/a.PNG", 3), ("ant/1.png", 0), (str(folder / "dog" / "2.png"), 2)]
    for header in ([], [("file", "label")], [("Image", "Class")]):
        images = open_labelled_images(table(folder, [*header, *rows]))
        assert [label for _, label in listed(images)] == [3, 0, 2]
        assert images.classes == ()
        assert not [image for image in images.walk([ImageForm(TAKEN)]) if isinstance(image, BrokenImage)]


def test_columns_go_by_the_header_s_names(folder):
    images = open_labelled_images(table(folder, [("label", "split", "path"), (2, "val", "ant/1.png")]))
    assert listed(images) == [("ant/1.png", 2)]


def test_names_of_labels_count_as_they_sort_or_as_a_file_says(folder, tmp_path):
    path = table(folder, [("ant/1.png", "owl"), ("dog/1.png", "bee"), ("dog/2.png", "a, b")])
    images = open_labelled_images(path)
    assert images.classes == ("a, b", "bee", "owl")
    assert [label for _, label in listed(images)] == [2, 1, 0]
    assert "sorted order: 0 is 'a, b'" in images.notes[0]
    names = tmp_path / "names.txt"
    names.write_text("owl\nbee\na, b\n")
    images = open_labelled_images(path, names)
    assert [label for _, label in listed(images)] == [0, 1, 2]
    assert images.notes == ()


def test_numbers_are_indices_beside_a_file_of_names_unless_a_class_is_called_so(folder, tmp_path):
    names, path = tmp_path / "names.txt", table(folder, [("ant/1.png", 1), ("dog/1.png", "cat")])
    names.write_text("cat\ndog\n")
    assert [label for _, label in listed(open_labelled_images(path, names))] == [1, 0]
    names.write_text("1\ncat\n")
    assert [label for _, label in listed(open_labelled_images(path, names))] == [0, 1]


# --- arrays -------------------------------------------------------------------


def arrays(folder, **named):
    np.savez(folder / "a.npz", **named)
    return str(folder / "a.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_taken_as_they_are_or_normalized(tmp_path, save):
    rng = np.random.default_rng(0)
    pixels, floats = rng.integers(0, 256, (5, 16, 16, 3), np.uint8), rng.standard_normal((5, 3, 16, 16), np.float32)
    for images in (pixels, floats, floats.astype(np.float16)):
        save(tmp_path / "a.npz", images=images, labels=np.arange(5))
        found = open_labelled_images(str(tmp_path / "a.npz"), most=3)
        assert [found.name(at) for at in range(3)] == ["image 0", "image 1", "image 3"]
        for image, at in zip(found.walk([ImageForm(TAKEN)]), (0, 1, 3), strict=True):
            wanted = images[at].astype(np.float32)
            if images.dtype == np.uint8:
                mean, std = (np.float32(v) for v in TAKEN.normalization)
                wanted = ((images[at].astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
            np.testing.assert_array_equal(image.arrays[0], wanted)


def test_numbers_beyond_float32_are_infinite_and_no_library_warns(tmp_path):
    path = arrays(tmp_path, images=np.full((2, 3, 16, 16), 1e300), labels=np.arange(2))
    walked = open_labelled_images(path).walk([ImageForm(TAKEN)])
    assert np.isinf([image.arrays[0] for image in walked]).all()  # pytest turns warnings into errors
    assert np.isinf(list(open_images(path, TAKEN, 2))).all()


def test_grey_pixels_need_no_side_for_their_channel(tmp_path):
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 8, 8)
    found = [
        *open_labelled_images(arrays(tmp_path, images=pixels, labels=np.zeros(3, np.uint8))).walk([ImageForm(GREY)])
    ]
    np.testing.assert_allclose(found[1].arrays[0], pixels[1][None] / np.float32(255))


def test_one_image_of_an_array_is_held_at_a_time(tmp_path, monkeypatch):
    path = arrays(tmp_path, images=np.zeros((50, 16, 16, 3), np.uint8), labels=np.zeros(50, np.int64))
    sizes = []
    original = image_arrays.np.frombuffer
    monkeypatch.setattr(
        image_arrays.np, "frombuffer", lambda data, *more: sizes.append(len(data)) or original(data, *more)
    )
    assert len([*open_labelled_images(path).walk([ImageForm(TAKEN)])]) == 50
    assert max(sizes) == 16 * 16 * 3


# --- what is wrong ------------------------------------------------------------


def of_folder(*names):
    def make(folder):
        for name in names:
            picture(folder / "d" / name)
        (folder / "d").mkdir(exist_ok=True)
        return folder / "d"

    return make


def of_table(*rows):
    return lambda folder: table(folder, rows)


def of_bytes(name, data):
    def make(folder):
        (folder / name).write_bytes(data)
        return folder / name

    return make


def of_arrays(**named):
    return lambda folder: arrays(folder, **named)


def bomb(folder):
    """Three million images of 8 x 8 in a few kilobytes, none of which has to be read to know it."""
    path = folder / "a.npz"
    np.savez_compressed(path, images=np.zeros((3_000_000, 8, 8), np.uint8), labels=np.zeros(3_000_000, np.uint8))
    assert path.stat().st_size < 1 << 20
    return path


IMAGES = np.zeros((4, 16, 16, 3), np.uint8)
WRONG = {
    "nothing there": (lambda folder: folder / "none", "there is no such file or folder"),
    "an empty name": (lambda folder: "", "there is no such file or folder"),
    "a name of no file": (lambda folder: "a\0b", "there is no such file or folder"),
    "a text": (of_bytes("x.txt", b"a"), "neither a folder nor a .csv or .npz file"),
    "an empty folder": (of_folder(), "no class folders in it"),
    "a folder of pictures": (of_folder("1.png", "2.png"), "2 pictures in no class folder, '1.png' first"),
    "a loose picture": (of_folder("1.png", "cat/2.png"), "1 picture in no class folder, '1.png' first"),
    "no pictures": (of_folder("a/.1.png"), "no pictures in its class folders"),
    "an empty table": (of_bytes("t.csv", b""), "empty"),
    "a header alone": (of_bytes("t.csv", b"file,label\n"), "it lists no images"),
    "one column": (of_table(["a.png"]), "its first line has 1 cell and names no columns"),
    "three columns": (of_table(["a.png", 1, 2]), "its first line has 3 cells and names no columns"),
    "a short row": (of_table(["a.png", 1], ["b.png"]), "line 2 has 1 cell, not 2"),
    "an image twice": (of_table(["a.png", 1], ["b.png", 2], ["a.png", 1]), "'a.png' is listed twice"),
    "names and numbers": (of_table(["a.png", "cat"], ["b.png", 2]), "label '2' stands among names"),
    "no label": (of_table(["a.png", "cat"], ["b.png", ""]), "label '' stands among names"),
    "an image twice, otherwise": (of_table(["a/b.png", 1], ["a/./c/../b.png", 1]), "'a/./c/../b.png' is listed twice"),
    "a negative label": (of_table(["a.png", "1"], ["b.png", "-1"]), "label '-1' is a number and no index from 0"),
    "labels as a table with gaps has them": (of_table(["a.png", "2.0"], ["b.png", "10.0"]), "label '2.0' is a number"),
    "a label of many digits": (of_table(["a.png", "9" * 5000]), "label '99999"),
    "latin-1": (of_bytes("t.csv", "b\xe4r.png,1\n".encode("latin-1")), "not UTF-8 text"),
    "an open quote": (of_bytes("t.csv", b'"a.png,1\n'), "not a table: unexpected end of data"),
    "a long line": (of_bytes("t.csv", b"a" * 70_000), "a line of more than 65,536 bytes"),
    "no archive": (of_bytes("a.npz", b"PK"), "damaged, or no .npz file: File is not a zip file"),
    "no labels": (of_arrays(images=IMAGES), "holds no array 'labels'"),
    "no images": (of_arrays(labels=np.zeros(4, int)), "holds no array 'images'"),
    "objects": (of_arrays(images=np.array([None] * 4), labels=np.zeros(4, int)), "'images' is object of 1 dimensions"),
    "fewer labels": (of_arrays(images=IMAGES, labels=np.zeros(3, int)), "4 images and 3 labels"),
    "no image": (of_arrays(images=IMAGES[:0], labels=np.zeros(0, int)), "no images in it"),
    "one-hot labels": (of_arrays(images=IMAGES, labels=np.eye(4, dtype=int)), "'labels' is int64 of 2 dimensions"),
    "labels of text": (of_arrays(images=IMAGES, labels=np.array(list("abcd"))), "'labels' is <U1 of 1 dimensions"),
    "float labels": (of_arrays(images=IMAGES, labels=np.zeros(4)), "'labels' is float64 of 1 dimensions"),
    "labels below 0": (of_arrays(images=IMAGES, labels=np.array([0, 1, -2, 3])), "label -2: labels are indices from 0"),
    "huge labels": (of_arrays(images=IMAGES, labels=np.full(4, 2**64 - 1, np.uint64)), "label 18,446,744,073,709,551"),
    "Fortran's order": (of_arrays(images=np.asfortranarray(IMAGES), labels=np.zeros(4, int)), "in Fortran's order"),
    "a bomb": (lambda folder: bomb(folder), "3,000,000 images are out of proportion to the file"),
    "whole numbers": (of_arrays(images=IMAGES.astype(int), labels=np.zeros(4, int)), "'images' is int64"),
}  # fmt: skip


def test_spaces_around_a_label_are_none_of_it(folder):
    """As behind the commas of some tables: an index stays one, and is not sorted as text."""
    path = table(folder, [["cat/1.png", " 10"], ["cat/2.png", "2 "], ["dog/1.png", " 2"]])
    images = open_labelled_images(str(path))
    assert (images.classes, images.labels.tolist()) == ((), [10, 2, 2])
    path = table(folder, [["cat/1.png", " cat"], ["cat/2.png", "cat"], ["dog/1.png", "a 1.5 b"]])
    assert open_labelled_images(str(path)).classes == ("a 1.5 b", "cat")


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(case, tmp_path):
    make, words = WRONG[case]
    with pytest.raises(Refused) as refused:
        open_labelled_images(str(make(tmp_path)))
    (problem,) = refused.value.problems
    assert problem.message.startswith(words) or words in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no class names in it"), ("\n\n", "no class names in it"), ("cat\n\ndog\n", "line 2 is empty"),
        ("cat\ndog\n", "'ant' is no class of"), ("ant\nant\ncat\ndog\n", "several classes are called 'ant'"),
        ("ant 1\nant 2\ncat\ndog\n", "several classes are called 'ant'"),
        ("a\n" * 100_001, "more than 100,000 lines"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_names_is_refused(text, words, folder, tmp_path):
    (tmp_path / "names.txt").write_text(text)
    with pytest.raises(Refused) as refused:
        open_labelled_images(str(folder), tmp_path / "names.txt")
    assert words in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("outputs", "labels", "message", "hint"),
    [
        (10, [0, 9], None, None),
        (10, [0, 10], "image 1: label 10, and net outputs 10 classes, from 0", None),
        (10, [1, 10], "image 1: label 10, and net outputs 10 classes, from 0", "counted from 1"),
    ],
)
def test_labels_beyond_the_classes_are_refused(outputs, labels, message, hint, tmp_path):
    images = open_labelled_images(arrays(tmp_path, images=IMAGES[:2], labels=np.array(labels)))
    if message is None:
        images.check_classes(outputs, "net")
        return
    with pytest.raises(Refused) as refused:
        images.check_classes(outputs, "net")
    (problem,) = refused.value.problems
    assert problem.message == message
    assert (hint in problem.hint) if hint else problem.hint is None


@pytest.mark.parametrize(
    ("names", "outputs", "hint"),
    [
        (("train", "val"), 10, "it holds parts of a data set: name one of them"),
        (("a", "b", "c"), 4, "a class for the background"), (("a", "b", "c"), 2, "--classes-file"),
    ],
)  # fmt: skip
def test_other_classes_than_the_network_has_are_refused_with_what_may_be_meant(names, outputs, hint, tmp_path):
    for name in names:
        picture(tmp_path / name / "x.png")
    with pytest.raises(Refused) as refused:
        open_labelled_images(str(tmp_path)).check_classes(outputs, "net")
    assert refused.value.problems[0].message == f"{len(names)} classes, and net outputs {outputs}"
    assert hint in refused.value.problems[0].hint


@pytest.mark.parametrize("shape", [(4, 3, 16, 16), (4, 16, 15, 3), (4, 16, 16)])
def test_arrays_for_another_network_are_refused(shape, tmp_path):
    images = open_labelled_images(arrays(tmp_path, images=np.zeros(shape, np.uint8), labels=np.zeros(4, int)))
    with pytest.raises(Refused, match="write uint8 Nx16x16x3, or float Nx3x16x16, normalized"):
        next(iter(images.walk([ImageForm(TAKEN)])))


def test_an_array_that_ends_early_is_damaged(tmp_path):
    whole = Path(arrays(tmp_path, images=IMAGES, labels=np.zeros(5, int)))
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(tmp_path / "short.npz", "w") as short:
        for name in archive.namelist():
            short.writestr(name, archive.read(name).replace(b"(4, 16, 16, 3), }", b"(5, 16, 16, 3), }"))
    with pytest.raises(Refused, match=r"'images\.npy' is damaged: it ends early"):
        [*open_labelled_images(str(tmp_path / "short.npz")).walk([ImageForm(TAKEN)])]
