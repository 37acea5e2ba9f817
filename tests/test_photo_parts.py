"""A photo's file of very many parts is refused before it costs seconds; usual ones are not."""

import io
import os
import struct
import time
import zlib

import pytest
from PIL import Image

from photosearch.catalog.images import checked_size, open_photo
from photosearch.catalog.photo_parts import MAX_PARTS, MAX_SCANS, PNG, count_scans
from photosearch.errors import UnreadablePhoto

SCAN, END = b"\xff\xda", b"\xff\xd9"


def encoded(image: Image.Image, image_format: str = "JPEG", **options) -> bytes:
    kept = io.BytesIO()
    image.save(kept, image_format, **options)
    return kept.getvalue()


def progressive(n_scans: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A grey JPEG whose last scan comes again until there are so many."""
    whole = encoded(Image.new("L", size, 128), progressive=True, quality=75)
    last = whole[whole.rindex(SCAN) : -len(END)]
    return whole[: -len(END)] + last * (n_scans - whole.count(SCAN)) + END


def with_segment(jpeg: bytes, content: bytes, *, marker: int = 0xED, n: int = 1) -> bytes:
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return jpeg[:2] + segment * n + jpeg[2:]


def with_chunks(png: bytes, *, n: int, at: int) -> bytes:
    """A PNG with `n` more chunks, each of another kind and empty."""
    return (
        png[:at]
        + (struct.pack(">I", 0) + b"abCd" + struct.pack(">I", zlib.crc32(b"abCd"))) * n
        + png[at:]
    )


@pytest.mark.parametrize("opened", [open_photo, checked_size])
def test_a_jpeg_of_more_scans_than_encoders_write_is_unreadable_however_it_is_opened(opened):
    told = r"scans\.jpg is a JPEG of 101 scans; one of 64 x 48 pixels may have 100\. Save it as"
    with pytest.raises(UnreadablePhoto, match=told):
        opened(progressive(MAX_SCANS + 1), name="scans.jpg")
    opened(progressive(MAX_SCANS), name="x")


def test_a_large_jpeg_may_have_fewer_scans_for_each_goes_over_all_of_it():
    with pytest.raises(UnreadablePhoto, match="21 scans; one of 7000 x 7000 pixels may have 20"):
        checked_size(progressive(21, (7000, 7000)), name="x")
    assert checked_size(progressive(20, (7000, 7000)), name="x") == (7000, 7000)


def test_a_hundred_thousand_scans_are_refused_at_once():
    bomb = progressive(90_000)
    began = time.process_time()
    with pytest.raises(UnreadablePhoto, match="90,000 scans"):
        open_photo(bomb, name="x")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_what_encoders_write_is_opened(mode: str, options: dict):
    noise = Image.effect_noise((200, 100), 90).convert("RGB").convert(mode)
    content = encoded(noise, **options)
    assert 1 <= count_scans(content, name="x") <= 20
    assert open_photo(content, name="x").size == (200, 100)


def test_scans_of_small_photos_in_a_photo_and_of_a_film_behind_it_do_not_count():
    photo = with_segment(encoded(Image.new("RGB", (64, 48), "red")), SCAN * 1000)
    film = os.urandom(1000) + SCAN * 1000
    assert count_scans(photo + film, name="x") == 1
    assert open_photo(photo + film, name="x").size == (64, 48)


def test_an_end_before_the_first_scan_hides_nothing():
    early = with_segment(progressive(MAX_SCANS + 1), b"")
    with pytest.raises(UnreadablePhoto, match="101 scans"):
        open_photo(early[:2] + END + early[2:], name="x")


def hostile_jpeg(strays: bytes) -> bytes:
    jpeg = encoded(Image.new("RGB", (64, 48), "red"))
    return jpeg[:2] + strays + jpeg[2:]


@pytest.mark.parametrize(
    "content",
    [
        with_segment(encoded(Image.new("RGB", (64, 48))), b"", n=2_000_000),
        hostile_jpeg(b"\xff" * 8_000_000),
        hostile_jpeg(b"\xff\x00" * 4_000_000),
        b"\xff\xd8\xff" + bytes(8_000_000),
        with_chunks(encoded(Image.new("RGB", (64, 48)), "PNG"), n=700_000, at=33),
        with_chunks(encoded(Image.new("RGB", (64, 48)), "PNG"), n=700_000, at=-12),
    ],
    ids=["segments", "fillers", "strays", "no segment", "chunks before", "chunks behind"],
)  # fmt: skip
def test_a_file_of_a_million_parts_is_unreadable_and_soon(content: bytes):
    began = time.process_time()
    told = "x is made of more than 100,000 parts, as no camera or program makes one. Save it again"
    with pytest.raises(UnreadablePhoto, match=told):
        open_photo(content, name="x")
    assert time.process_time() - began < 1  # Pillow alone takes two to three


def test_zeros_behind_a_png_are_no_parts_of_it():
    png = encoded(Image.new("RGB", (64, 48)), "PNG")
    assert png.startswith(PNG)
    assert open_photo(png + bytes(12 * MAX_PARTS + 1000), name="x").size == (64, 48)


@pytest.mark.parametrize("frame", [0xC9, 0xCA, 0xCB])
def test_arithmetic_coding_is_unreadable_as_in_browsers(frame: int):
    plain = encoded(Image.new("L", (64, 48)))
    with pytest.raises(UnreadablePhoto, match=f"arithmetic coding .marker {frame:#x}.*Save it as"):
        open_photo(plain.replace(b"\xff\xc0", bytes([0xFF, frame])), name="x")


def test_counting_costs_little_beside_decoding():
    photo = encoded(Image.effect_noise((4000, 3000), 60), quality=85)
    began = time.process_time()
    count_scans(photo, name="x")
    counted = time.process_time()
    open_photo(photo, name="x")
    assert counted - began < 0.2 * (time.process_time() - counted)
