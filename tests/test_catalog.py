"""Photos are opened safely and named by content; tables give back the rows they were given."""

import dataclasses
import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from small_source import picture

from photosearch.catalog import images
from photosearch.catalog.schemas import (
    Card,
    CuratedPhoto,
    Label,
    Pair,
    Photo,
    Rejected,
    Review,
)
from photosearch.catalog.tables import (
    RowsVersion,
    arrow_schema,
    read_rows,
    read_table,
    stream_rows,
    write_table,
)
from photosearch.errors import BadBox, BadTable, HugePhoto, UnreadablePhoto


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


# ---- images


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_turned_as_its_exif_says(image_format: str):
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6  # the camera was held upright: turn clockwise
    image = images.open_photo(encoded(left_red(), image_format, exif=exif), name="x")
    assert image.size == (16, 32)
    assert is_red(image, 8, 4)
    assert not is_red(image, 8, 28)


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


# ---- tables


def values_of(hint: object) -> st.SearchStrategy:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is list:
        return st.lists(values_of(get_args(hint)[0]), max_size=3)
    if get_origin(hint) is dict:
        return st.dictionaries(*map(values_of, get_args(hint)), max_size=3)
    if type(None) in get_args(hint):
        (inner,) = [option for option in get_args(hint) if option is not type(None)]
        return st.none() | values_of(inner)
    return {
        str: st.text(max_size=20),
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
    }[hint]


def rows_of_type(row_type: type) -> st.SearchStrategy:
    hints = get_type_hints(row_type)
    return st.builds(row_type, **{name: values_of(hint) for name, hint in hints.items()})


ROW_TYPES = [Card, CuratedPhoto, Label, Pair, Photo, Rejected, Review]


@pytest.mark.parametrize("row_type", ROW_TYPES)
@given(data=st.data())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_table_gives_back_its_rows(row_type: type, data: st.DataObject, tmp_path: Path):
    rows = data.draw(st.lists(rows_of_type(row_type), max_size=5))
    path = tmp_path / "rows.parquet"
    assert write_table(path, row_type, rows) == len(rows)
    assert read_rows(path, row_type) == rows
    assert list(stream_rows(path, row_type)) == rows
    assert read_table(path, row_type).schema.equals(arrow_schema(row_type))


def rejected(reason: str = "unreadable") -> Rejected:
    return Rejected("a/gallery/0", "a", reason, None)


def test_the_same_rows_are_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_table(tmp_path / name, Rejected, [rejected()])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path):
    path = tmp_path / "year=2026" / "rejected.parquet"
    write_table(path, Rejected, [rejected()])
    assert read_rows(path, Rejected) == [rejected()]


def test_rows_that_fail_midway_leave_the_old_table(tmp_path: Path):
    path = tmp_path / "rejected.parquet"
    write_table(path, Rejected, [rejected("old")])

    def failing():
        yield rejected("new")
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"):
        write_table(path, Rejected, failing())
    assert read_rows(path, Rejected) == [rejected("old")]
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_missing_value_is_refused_when_written(tmp_path: Path):
    with pytest.raises(ValueError, match="non-nullable"):
        write_table(tmp_path / "x", Rejected, [dataclasses.replace(rejected(), card_id=None)])


def test_a_table_of_other_rows_names_the_missing_columns(tmp_path: Path):
    write_table(tmp_path / "x.parquet", Rejected, [rejected()])
    with pytest.raises(BadTable, match=r"does not hold Photo rows: missing columns height, kind"):
        read_table(tmp_path / "x.parquet", Photo)


def test_a_table_cut_short_anywhere_is_no_table(tmp_path: Path):
    whole, cut = tmp_path / "whole.parquet", tmp_path / "cut.parquet"
    write_table(whole, Rejected, [rejected()])
    content = whole.read_bytes()
    for n_bytes in range(0, len(content), 13):
        cut.write_bytes(content[:n_bytes])
        with pytest.raises(BadTable, match="is not a parquet file"):
            read_table(cut, Rejected)
    damaged = bytearray(content)
    damaged[4:40] = b"\xff" * 36
    cut.write_bytes(damaged)
    with pytest.raises(BadTable, match="Delete it and rebuild"):
        read_table(cut, Rejected)


def test_an_absent_table_says_so(tmp_path: Path):
    with pytest.raises(BadTable, match=r"cards\.parquet does not exist"):
        read_table(tmp_path / "cards.parquet", Card)


def test_a_table_of_before_a_column_came_is_read_with_its_default(tmp_path: Path):
    path = tmp_path / "cards.parquet"
    before = Card("a", "A", None, None, ["Home"], None, None, 5.0, "a")
    now = dataclasses.replace(before, seller="S", rating=4.5, attributes={"Colour": "red"})
    write_table(path, Card, [now])
    old = [field.name for field in dataclasses.fields(Card)][:9]
    pq.write_table(pq.read_table(path, columns=old), path)
    assert read_rows(path, Card) == [before]
    assert list(stream_rows(path, Card)) == [before]
    pq.write_table(pq.read_table(path, columns=old[1:]), path)
    with pytest.raises(BadTable, match=r"does not hold Card rows: missing columns card_id\. Del"):
        read_table(path, Card)


def version_of(**tables: list) -> str:
    version = RowsVersion()
    for name, rows in tables.items():
        assert list(version.passing(name, rows)) == rows
    return version.text


def test_a_version_changes_with_any_row_and_any_table():
    versions = {
        version_of(rejected=[rejected()]),
        version_of(rejected=[rejected("other")]),
        version_of(rejected=[]),
        version_of(other=[rejected()]),
    }
    assert len(versions) == 4
    assert version_of(rejected=[rejected()]) == version_of(rejected=[rejected()])
