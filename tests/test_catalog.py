"""Photos of a hostile world are opened safely, named by their content and kept once."""

import io
import struct
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from small_source import picture

from photosearch.catalog import images
from photosearch.errors import BadBox, HugePhoto, UnreadablePhoto


def encoded(image: Image.Image, image_format: str = "JPEG", **options) -> bytes:
    kept = io.BytesIO()
    image.save(kept, image_format, **options)
    return kept.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def left_red() -> Image.Image:
    """32 x 16 pixels, red on the left half, blue on the right."""
    image = Image.new("RGB", (32, 16), "blue")
    image.paste("red", (0, 0, 16, 16))
    return image


def is_red(image: Image.Image, x: int, y: int) -> bool:
    red, _, blue = image.getpixel((x, y))
    return red > 200 and blue < 60


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_as_its_exif_says(image_format: str):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6  # the camera was held upright: turn clockwise
    image = images.open_photo(encoded(left_red(), image_format, exif=exif), name="x")
    assert image.size == (16, 32)
    assert is_red(image, 8, 4)
    assert not is_red(image, 8, 28)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_nothing_is_left_that_could_turn_a_photo_again(image_format: str):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    image = images.open_photo(encoded(left_red(), image_format, exif=exif), name="x")
    assert dict(image.getexif()) == {}
    assert ImageOps.exif_transpose(image).size == image.size


def test_a_file_of_many_tags_is_read_as_soon_as_another():
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, 1) for tag in range(20_000))
    exif = b"II*\0" + struct.pack("<IH", 8, 20_000) + entries + bytes(4)
    content = encoded(left_red(), "PNG")
    header_end = 8 + 25
    hostile = content[:header_end] + chunk(b"eXIf", exif) + content[header_end:]
    began = time.process_time()
    assert images.open_photo(hostile, name="x").size == (32, 16)
    assert time.process_time() - began < 2  # tag by tag it took six


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_turns_are_those_of_pillow(orientation: int):
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    content = encoded(left_red(), "PNG", exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert images.open_photo(content, name="x").tobytes() == expected.tobytes()


def test_nothing_is_left_to_turn_a_photo_twice():
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    once = images.open_photo(encoded(left_red(), exif=exif), name="x")
    twice = images.open_photo(encoded(once), name="x")
    assert once.size == twice.size == (16, 32)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # which is what this is
def test_damaged_exif_does_not_cost_a_whole_photo():
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x09\xff\xff\xff\xff\0\0"
    image = images.open_photo(encoded(left_red(), exif=damaged), name="x")
    assert image.size == (32, 16)


def test_a_transparent_background_is_white_whatever_colour_hides_behind_it():
    image = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    image.putpixel((3, 3), (0, 0, 0, 255))
    opened = images.open_photo(encoded(image, "PNG"), name="x")
    assert opened.getpixel((8, 8)) == (255, 255, 255)
    assert opened.getpixel((3, 3)) == (0, 0, 0)


def of_16_bits(*greys: int) -> Image.Image:
    """A row of pixels of these greys."""
    return Image.frombytes("I;16", (len(greys), 1), struct.pack(f"<{len(greys)}H", *greys))


def test_a_grey_photo_of_16_bits_keeps_its_greys():
    content = encoded(of_16_bits(0, 300, 30_000, 65_535), "PNG")
    opened = images.open_photo(content, name="x")
    assert opened.tobytes() == bytes([0] * 3 + [1] * 3 + [117] * 3 + [255] * 3)


def test_a_grey_photo_of_16_bits_is_white_where_it_is_transparent():
    header = encoded(of_16_bits(300, 30_000), "PNG")
    content = header[:33] + chunk(b"tRNS", struct.pack(">H", 300)) + header[33:]
    opened = images.open_photo(content, name="x")
    assert opened.tobytes() == bytes([255] * 3 + [117] * 3)


@pytest.mark.parametrize(
    ("mode", "colours", "options"),
    [
        ("1", (0, 1), {}),
        ("L", (0, 200), {"transparency": 200}),
        ("LA", ((0, 255), (200, 0)), {}),
        ("RGB", ((0, 0, 0), (9, 200, 9)), {"transparency": (9, 200, 9)}),
        ("RGBA", ((0, 0, 0, 255), (9, 200, 9, 0)), {}),
    ],
)
def test_black_stays_black_and_white_or_nothing_becomes_white(
    mode: str, colours: tuple, options: dict
):
    image = Image.new(mode, (16, 16), colours[0])
    image.paste(colours[1], (8, 0, 16, 16))
    opened = images.open_photo(encoded(image, "PNG", **options), name="x")
    assert [opened.getpixel((x, 3)) for x in (0, 8)] == [(0, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize("transparency", [1, b"\xff\0"], ids=["one colour", "of each colour"])
def test_a_palette_may_have_colours_that_are_transparent(transparency: int | bytes):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([0, 0, 0, 0, 255, 0])
    image.paste(1, (8, 0, 16, 16))
    opened = images.open_photo(encoded(image, "PNG", transparency=transparency), name="x")
    assert [opened.getpixel((x, 3)) for x in (0, 8)] == [(0, 0, 0), (255, 255, 255)]


def test_a_jpeg_in_the_colours_of_print_is_shown_in_ours():
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert is_red(images.open_photo(encoded(image), name="x"), 3, 3)


def test_a_draft_is_smaller_but_not_too_small():
    content = encoded(Image.new("RGB", (800, 600), "red"))
    image = images.open_photo(content, name="x", draft_px=100)
    assert 100 <= min(image.size) < 600


@pytest.mark.parametrize(
    "content",
    [b"", b"this is text", picture(5)[:-40], b"GIF89a", picture(5, image_format="BMP")],
    ids=["nothing", "text", "cut short", "GIF", "BMP"],
)
def test_what_is_not_a_whole_photo_is_unreadable(content: bytes):
    with pytest.raises(UnreadablePhoto, match=r"dog\.jpg is not .*Send "):
        images.open_photo(content, name="dog.jpg")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow tells of damage that it can pass over
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_raise_nothing_but_our_errors(data: st.DataObject):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6
    image_format = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP"]))
    content = bytearray(encoded(left_red(), image_format, exif=exif))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert images.open_photo(bytes(content), name="x").mode == "RGB"
    except (UnreadablePhoto, HugePhoto) as error:
        assert "Send" in str(error)


def test_a_file_of_too_many_bytes_is_huge():
    with pytest.raises(HugePhoto, match="10,000,001 bytes, more than 10,000,000"):
        images.open_photo(b"x" * (images.MAX_BYTES + 1), name="x")


@pytest.mark.parametrize("side_px", [8_000, 10_000, 30_000])
def test_a_bomb_of_pixels_is_refused_before_it_is_unpacked(side_px: int):
    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"\0")
    with pytest.raises(HugePhoto, match="Send a smaller photo"):
        images.open_photo(content, name="bomb.png")


def test_a_crop_is_inside_the_photo():
    assert images.crop(left_red(), (0, 0, 16, 16)).size == (16, 16)
    for box in [(-1, 0, 10, 10), (0, 0, 33, 16), (0, 0, 7, 16), (9, 0, 1, 16)]:
        with pytest.raises(BadBox, match="is not inside the photo of 32 x 16 pixels"):
            images.crop(left_red(), box)
    with pytest.raises(BadBox):
        images.crop(left_red(), (float("nan"), 0, 16, 16))


def test_an_image_is_kept_once_under_its_content(tmp_path: Path):
    sha256 = images.store(tmp_path, picture(1))
    assert images.store(tmp_path, picture(1)) == sha256
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [sha256]
    assert images.load(tmp_path, sha256).size == (24, 24)


def test_keeping_an_image_again_mends_it(tmp_path: Path):
    sha256 = images.store(tmp_path, picture(1))
    images.path_of(tmp_path, sha256).write_bytes(b"half")
    images.store(tmp_path, picture(1))
    assert images.path_of(tmp_path, sha256).read_bytes() == picture(1)


def test_many_threads_may_keep_the_same_image(tmp_path: Path):
    content, failures = picture(1) * 500, []
    start = threading.Barrier(8)

    def keep() -> None:
        start.wait()
        try:
            images.store(tmp_path, content)
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=keep) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_lost_image_says_how_to_get_it_back(tmp_path: Path):
    with pytest.raises(UnreadablePhoto, match=r"is gone\. Pull again, or run `dvc checkout`"):
        images.load(tmp_path, "0" * 64)


def test_only_images_nobody_names_are_deleted(tmp_path: Path):
    kept, dropped = (images.store(tmp_path, picture(colour)) for colour in (1, 2))
    cut_off = images.path_of(tmp_path, kept).with_name(f".{kept}.12.345")
    cut_off.write_bytes(b"half")
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "notes.txt").write_text("not an image")
    images.delete_others(tmp_path, keep={kept})
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {kept, "notes.txt"}
    assert not images.path_of(tmp_path, dropped).parent.exists()
