"""A picture becomes the tensor that the spec describes; what is no picture is refused."""

import contextlib
import struct
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from resnet_gen.engine import image
from resnet_gen.engine.image import SmallerPictureWarning, read_image
from resnet_gen.engine.image_limits import find_excess, find_largest_piece, read_gif_frame, read_jpeg_head
from resnet_gen.language.spec import Input
from resnet_gen.problems import Refused
from resnet_gen.quantization.calibration.images import open_images
from tests.helpers.varied import spread

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def plain(size, channels=3, **more):
    """An input without normalization, so that pixels come out as values in 0..1."""
    return Input(channels=channels, size=size, mean=(0.0,) * channels, std=(1.0,) * channels, **more)


@pytest.fixture
def saved(tmp_path):
    """Saves a picture and returns its path."""

    def save(picture, name="p.png", **options):
        path = tmp_path / name
        picture.save(path, **options)
        return path

    return save


def striped(colours, width=4, height=4):
    """Vertical stripes, `width` pixels each."""
    return Image.fromarray(np.repeat(np.array([colours], np.uint8), width, axis=1).repeat(height, axis=0))


def refusal(path, to=None):
    with pytest.raises(Refused) as caught:
        read_image(path, to or plain((8, 8)))
    return str(caught.value)


def test_a_picture_of_the_right_size_comes_through_untouched(saved):
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    found = read_image(saved(Image.fromarray(pixels)), plain((4, 5), crop=1.0))
    assert (found.dtype, found.shape) == (np.float32, (1, 3, 4, 5))
    assert np.array_equal(found[0], (pixels.astype(np.float32) / 255).transpose(2, 0, 1))


def test_values_are_normalized_by_the_spec_s_mean_and_deviation(saved):
    path = saved(Image.new("RGB", (4, 4), (51, 102, 204)))
    to = Input(size=(2, 2), mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    assert np.allclose(read_image(path, to)[0, :, 0, 0], [0.2, 0.2, 0.25], atol=1e-6)


def test_imagenet_s_normalization_is_the_default_of_three_channels(saved):
    found = read_image(saved(Image.new("RGB", (4, 4), WHITE)), Input(size=(2, 2)))
    assert np.allclose(found[0, :, 0, 0], [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225])


def test_one_channel_is_not_normalized_by_default(saved):
    found = read_image(saved(Image.new("L", (4, 4), 51)), Input(channels=1, size=(2, 2)))
    assert np.allclose(found, 0.2)


@pytest.mark.parametrize(
    ("mode", "colour", "wanted"),
    [
        ("1", 1, WHITE),
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (100, 100, 100)),
        ("P", 0, (0, 0, 0)),
        ("RGB", RED, RED),
        ("RGBA", (*RED, 0), RED),
        ("CMYK", (0, 0, 0, 0), WHITE),
    ],
)
def test_every_mode_becomes_rgb(saved, mode, colour, wanted):
    path = saved(Image.new(mode, (4, 4), colour), "p.tiff")
    found = read_image(path, plain((2, 2)))[0, :, 0, 0]
    assert np.allclose(found * 255, wanted)


@pytest.mark.parametrize(("channels", "wanted"), [(1, [76 / 255]), (3, [1, 0, 0]), (4, [1, 0, 0, 1])])
def test_a_network_of_1_3_or_4_channels_gets_as_many(saved, channels, wanted):
    found = read_image(saved(Image.new("RGB", (4, 4), RED)), plain((2, 2), channels))
    assert np.allclose(found[0, :, 0, 0], wanted, atol=1e-6)


def test_other_numbers_of_channels_are_refused_before_the_file_is_opened(tmp_path):
    assert "a picture cannot become 2 channels" in refusal(tmp_path / "missing.png", plain((8, 8), 2))


@pytest.mark.parametrize(
    ("orientation", "colours"),
    [(1, (RED, BLUE)), (2, (BLUE, RED)), (3, (BLUE, RED)), (4, (RED, BLUE))],
)
def test_exif_orientation_is_obeyed_left_and_right(saved, orientation, colours):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(saved(striped([RED, BLUE], 4, 8), exif=exif), plain((8, 8), crop=1.0))
    assert np.allclose(found[0, :, 4, [0, 7]] * 255, colours)


@pytest.mark.parametrize(("orientation", "colours"), [(6, (RED, BLUE)), (8, (BLUE, RED))])
def test_exif_orientation_is_obeyed_top_and_bottom(saved, orientation, colours):
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = read_image(saved(striped([RED, BLUE], 4, 8), exif=exif), plain((8, 8), crop=1.0))
    assert np.allclose(found[0][:, [0, 7], 4].T * 255, colours)


def test_the_crop_is_central_in_a_wide_picture(saved):
    path = saved(striped([RED, GREEN, BLUE], 4, 4))
    found = read_image(path, plain((4, 4), crop=1.0))
    assert np.allclose(found[0, :, 0].T * 255, [GREEN] * 4)


def test_the_crop_is_central_in_a_tall_picture(saved):
    path = saved(striped([RED, GREEN, BLUE], 4, 4).transpose(Image.Transpose.ROTATE_270))
    found = read_image(path, plain((4, 4), crop=1.0))
    assert np.allclose(found[0, :, :, 0].T * 255, [GREEN] * 4)


def test_the_crop_keeps_the_stated_part_of_the_shorter_side(saved):
    border, kept = RED, GREEN
    pixels = np.full((8, 8, 3), border, np.uint8)
    pixels[2:6, 2:6] = kept
    half = read_image(saved(Image.fromarray(pixels)), plain((4, 4), crop=0.5))
    assert np.allclose(half[0].reshape(3, -1).T * 255, [kept] * 16)
    more = read_image(saved(Image.fromarray(pixels)), plain((6, 6), crop=0.75))
    assert np.allclose(more[0, :, 0, 0] * 255, border)
    assert np.allclose(more[0, :, 1, 1] * 255, kept)


def test_shrinking_averages_and_does_not_pick_pixels(saved):
    checkers = (np.indices((32, 32)).sum(0) % 2 * 255).astype(np.uint8)
    found = read_image(saved(Image.fromarray(checkers)), plain((4, 4), 1, crop=1.0))
    assert np.allclose(found, 0.5, atol=0.01)


def test_a_map_that_is_not_square_is_filled_from_the_middle(saved):
    found = read_image(saved(striped([RED, GREEN, GREEN, BLUE], 2, 8)), plain((8, 4), crop=1.0))
    assert found.shape == (1, 3, 8, 4)
    assert np.allclose(found[0, :, 0].T * 255, [GREEN] * 4)


def test_a_picture_smaller_than_the_map_is_enlarged(saved):
    found = read_image(saved(Image.new("RGB", (1, 1), BLUE)), plain((5, 3)))
    assert np.allclose(found[0].reshape(3, -1).T * 255, [BLUE] * 15)


def test_a_picture_of_one_column_does_not_fill_the_memory(saved):
    path = saved(Image.new("RGB", (1, 60_000), GREEN))
    found = read_image(path, plain((224, 224)))  # resized whole it would have 3.9e9 pixels
    assert np.allclose(found[0, :, 0, 0] * 255, GREEN)


WHAT_IS_READ = "hint: JPEG, PNG, WebP, BMP, GIF, TIFF and PPM are read"


def test_what_is_no_picture_is_refused(tmp_path):
    path = tmp_path / "p.png"
    path.write_text("no picture")
    assert refusal(path) == f"{path}: error: not a picture\n{WHAT_IS_READ}"


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "p.png"
    path.touch()
    assert refusal(path).endswith(f"error: not a picture\n{WHAT_IS_READ}")


@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tiff", "p.webp"])
def test_a_truncated_picture_is_refused(saved, name):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    path = saved(noise, name)
    path.write_bytes(path.read_bytes()[:-2000])
    assert f"{path}: error: " in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert refusal(tmp_path / "missing.png").endswith("missing.png: error: cannot be read: No such file or directory")
    assert refusal(tmp_path).endswith("error: not a file")


def test_a_picture_of_absurd_size_is_refused_unread(saved):
    path = saved(Image.new("1", (20_000, 20_000)))
    assert refusal(path).endswith("error: more pixels than any picture should have\nhint: save it smaller")


def test_a_large_picture_is_read_without_a_warning(saved, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = saved(Image.new("RGB", (15, 10), GREEN))  # pytest turns warnings into errors
    assert read_image(path, plain((2, 2))).shape == (1, 3, 2, 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    sides=st.tuples(st.integers(17, 200), st.integers(17, 200)),
    mode=st.sampled_from(["RGB", "L"]),
    turned=st.sampled_from([1, 3, 6]),
    most=st.sampled_from([1 << 12, 1 << 14, 1 << 30]),
)
def test_a_jpeg_that_is_decoded_smaller_is_told_and_no_other(saved, monkeypatch, sides, mode, turned, most):
    monkeypatch.setattr(image, "_HELD", most)
    monkeypatch.setattr(image, "_HELD_EACH", 0)
    exif = Image.Exif()
    exif[0x0112] = turned
    path = saved(Image.new(mode, sides, GREEN if mode == "RGB" else 128), "p.jpg", exif=exif)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            read_image(path, plain((8, 8), 3 if mode == "RGB" else 1))
        except Refused:  # an eighth takes too much, too
            return
    each = 4 if mode == "RGB" else 1
    held = {}
    for part in (1, 2, 4, 8):
        width, height = (-(-side // part) for side in sides)
        resized = width * height + 8 * min(width, height)  # eight columns of the rows that are seen
        held[part] = each * max(width * height * (1 if turned == 1 else 2), resized)
    words = [str(one.message) for one in told if one.category is SmallerPictureWarning]
    assert len(words) == (held[1] > most)
    for text in words:
        part = next(n for n in (2, 4, 8) if f"decoded at {image._PARTS[n]} of its sides" in text)
        assert str(path) in text
        assert held[part] <= most < held[part // 2]


@pytest.mark.filterwarnings("default::resnet_gen.engine.image.SmallerPictureWarning")
def test_run_says_that_a_picture_is_decoded_smaller_and_calibration_does_not(saved, monkeypatch, cli):
    monkeypatch.setattr(image, "_HELD", 1 << 14)
    monkeypatch.setattr(image, "_HELD_EACH", 0)
    path = saved(Image.new("RGB", (64, 64), GREEN), "p.jpg")
    code, _, err = cli("run", "cifar-resnet20", "--image", path, "--repeat", "1")
    assert (code, f"warning: {path}: so large that it is decoded at a half of its sides" in err) == (0, True)
    assert len(list(open_images(str(path.parent), plain((8, 8)), 8))) == 1  # pytest turns warnings into errors


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_more_than_8_bits_a_channel_are_refused_rather_than_cut_off(saved, dtype):
    path = saved(Image.fromarray(np.full((4, 4), 300, dtype)), "p.tiff")
    assert "a picture of more than 8 bits a channel" in refusal(path)


def test_damaged_metadata_does_not_keep_a_picture_from_being_read(saved):
    exif = Image.Exif()
    exif[0x0112] = 3
    path = saved(Image.new("RGB", (8, 8), GREEN), "p.jpg", exif=exif)
    data = path.read_bytes()
    place = data.index(b"Exif\0\0") + 14
    path.write_bytes(data[:place] + b"\xff\xff" + data[place + 2 :])
    assert read_image(path, plain((2, 2))).shape == (1, 3, 2, 2)


KINDS_OF_TIFF = {"<": (b"II*\0", "<HHII", "<IH"), ">": (b"MM\0*", ">HHII", ">IH"),
                 "<wide": (b"II+\0", "<HHQQ", "<HHQQ"), ">wide": (b"MM\0+", ">HHQQ", ">HHQQ")}  # fmt: skip
"""How each begins, its entries, and what stands before them."""


def tiff_of_tiles(kind, width, height, number):
    """A directory with these sides of a tile, if any, as short or long numbers; the picture is 8x8."""
    magic, entry, head = KINDS_OF_TIFF[kind]
    wide, room = kind.endswith("wide"), 8 if kind.endswith("wide") else 4
    entries = [(tag, 3, 8) for tag in (256, 257)]
    entries += [(tag, number, side) for tag, side in ((322, width), (323, height)) if side is not None]
    start = struct.pack(head, 8, 0, 16, len(entries)) if wide else struct.pack(head, 8, len(entries))
    code = {3: "H", 4: "I"}[number]
    rows = b""
    for tag, as_number, side in entries:
        value = struct.pack(kind[0] + (code if tag > 300 else "H"), side)
        rows += struct.pack(entry[:3] + entry[3], tag, as_number, 1) + value.ljust(room, b"\0")
    return magic + start + rows


@pytest.mark.parametrize("kind", KINDS_OF_TIFF)
@pytest.mark.parametrize("number", [3, 4])
def test_tiles_of_a_tiff_are_as_large_as_both_sides_say_in_any_byte_order(kind, number):
    most = 65_535 if number == 3 else 1 << 30
    for width in (None, 8, 256, most):
        for height in (None, 8, 256, most):
            sides = [side or 8 for side in (width, height)]
            large = (width, height) != (None, None) and 2 * sides[0] * sides[1] > 1 << 25
            found = find_excess(tiff_of_tiles(kind, width, height, number))
            assert bool(found) == large, (width, height)


@pytest.mark.parametrize("order", "<>")
def test_a_tiff_of_tiles_in_either_byte_order_is_read(order, tmp_path):
    """Written by hand, since Pillow writes no tiles; 16x16 of one grey."""
    entries = [
        (256, 4, 16),
        (257, 4, 16),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (277, 3, 1),
        (322, 3, 16),
        (323, 3, 16),
    ]
    count = len(entries) + 2
    place = 8 + 2 + 12 * count + 4
    entries += [(324, 4, place), (325, 4, 256)]
    rows = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1) + struct.pack(order + {3: "H", 4: "I"}[kind], value).ljust(4, b"\0")
        for tag, kind, value in entries
    )
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, count)
    path = tmp_path / "tiles.tif"
    path.write_bytes(head + rows + bytes(4) + b"\x80" * 256)
    image = read_image(path, plain((16, 16)))
    assert np.allclose(image, 128 / 255)


NUMBERS = [bytes(8), b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\xff" * 7 + b"\x7f", b"\x80" + bytes(7), bytes(7) + b"\x80"]
FORMS = [
    ("PNG", {}),
    ("JPEG", {"progressive": True}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("PPM", {}),
    ("TIFF", {}),
]
FORMS += [("TIFF", {"big_tiff": True}), ("TIFF", {"compression": "tiff_lzw"})]


@pytest.mark.parametrize(
    ("form", "options", "number"), spread([(*form, number) for form in FORMS for number in NUMBERS], 18)
)
def test_numbers_of_any_size_in_a_picture_s_head_are_a_refusal_or_a_picture(tmp_path, form, options, number):
    """What looks at a file before Pillow does has no exception of its own."""
    path = tmp_path / "x"
    Image.new("RGB", (9, 7), "red").save(path, form, **options)
    whole = path.read_bytes()
    for size in (1, 2, 4, 8):
        for at in range(min(80, len(whole))):
            path.write_bytes(whole[:at] + number[:size] + whole[at + size :])
            with contextlib.suppress(Refused):
                assert read_image(path, Input(size=(8, 8))).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("frame", [0xC3, 0xC9, 0xCA])
def test_a_jpeg_that_is_coded_arithmetically_or_without_loss_is_refused(saved, frame):
    path = saved(Image.new("L", (16, 16)), "p.jpg")
    path.write_bytes(path.read_bytes().replace(b"\xff\xc0", bytes((0xFF, frame)), 1))
    assert "a JPEG coded as few are" in refusal(path)


def test_what_a_jpeg_s_head_says(saved):
    data = saved(Image.new("RGB", (33, 17)), "p.jpg", subsampling="4:2:0").read_bytes()
    assert read_jpeg_head(data) == (3 * 2 * 6 * 64, 1, False, True)  # squares of 16x16, of six blocks each
    data = saved(Image.new("RGB", (33, 17)), "p.jpg", subsampling="4:4:4", progressive=True).read_bytes()
    assert read_jpeg_head(data) == (5 * 3 * 3 * 64, 10, True, True)
    assert read_jpeg_head(data + data + b"\xff\xda" * 100)[1] == 10  # of another picture behind it
    first = data.index(b"\xff\xda")
    sequential = data.replace(b"\xff\xc2", b"\xff\xc0", 1)
    assert not read_jpeg_head(sequential).is_held
    alone = sequential[: first + 2] + b"\0\x08\1" + sequential[first + 5 :]
    assert read_jpeg_head(alone).is_held


@pytest.mark.parametrize("more", [[], [(278, 3, 1, 4)], [(278, 4, 1, 4)]])
def test_strips_of_a_tiff_are_as_large_as_is_said_once_and_plainly(more):
    def largest(*rows):
        entries = b"".join(struct.pack("<HHII", *entry) for entry in rows)
        return find_largest_piece(b"II*\0" + struct.pack("<IH", 8, len(rows)) + entries, (10, 20))

    assert largest(*more) == (40 if more else 200)
    for other in ((278, 3, 1, 50), (278, 11, 1, 4), (278, 3, 0, 4), (278, 1, 1, 4)):
        assert largest(*more, other) == largest(other, *more) == 200


def test_a_gif_s_first_frame_is_found_behind_its_blocks(saved):
    data = saved(Image.new("P", (7, 9)), "p.gif", comment=b"x" * 600).read_bytes()
    assert read_gif_frame(data) == (7, 9)
    assert read_gif_frame(data[:20]) == read_gif_frame(data[:13] + b";") == (0, 0)


@pytest.mark.parametrize("place", ["find_excess", "_resize_and_crop", "_count_bytes"])
def test_a_fault_of_ours_is_no_fault_of_the_picture_s(saved, monkeypatch, place):
    def faulty(*arguments, **named):
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(image, place, faulty)
    with pytest.raises(ZeroDivisionError, match="ours"):
        read_image(saved(Image.new("RGB", (9, 7))), Input(size=(8, 8)))


def test_a_fault_of_pillow_s_is_the_picture_s(saved, monkeypatch):
    def faulty(*arguments):
        raise ZeroDivisionError("theirs")

    path = saved(Image.new("RGB", (9, 7)))
    monkeypatch.setitem(faulty.__globals__, "__name__", "PIL.Faulty")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", faulty)
    with pytest.raises(Refused, match="cannot be read: theirs"):
        read_image(path, Input(size=(8, 8)))
