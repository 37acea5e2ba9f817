"""Counts what a photo's file is made of before it is decoded; knows no pixel of it.

A part costs time whatever it holds, and a thread that decodes cannot be stopped. Measured: at 49
megapixels each scan of 75 bytes keeps a core busy for 44 ms; 10 MB of empty JPEG segments take 3 s
before there is an image, of empty PNG chunks 2.5 s, of WebP chunks .2 s.
"""

import re

from photosearch.errors import UnreadablePhoto

MAX_SCANS = 100
"""Encoders write 1 to 20."""
MAX_SCANNED_PIXELS = 1_000_000_000
"""Each scan goes over all of a photo: a second of a core, so 20 scans of 50 megapixels."""
MAX_PARTS = 100_000
"""A quarter of a second before there is an image. 10 MB in chunks of 8 KB are 1,250."""
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
SEGMENT = re.compile(rb"\xff[\xc0-\xc7\xc9-\xcf\xd9-\xef\xfe]")
"""Markers that are followed by a length, and the end; what is compressed never looks like one."""
SCAN, END = 0xDA, 0xD9
ARITHMETIC = (0xC9, 0xCA, 0xCB)
"""Kinds of frame whose scans take six times as long; no browser shows them."""


def count_scans(content: bytes, *, name: str) -> int:
    """How often a decoder will go over a photo; 1 of what is no JPEG.

    Segments may hold small photos with scans of their own, and a film may follow the photo's end:
    they are not counted, for no decoder looks at them. Takes .3 ms a megabyte.

    Raises:
        UnreadablePhoto: The file has more parts than any encoder writes, or arithmetic coding.
    """
    if content.startswith(PNG):
        _require_few(_count_chunks(content), name)
    return _count_scans(content, name) if content.startswith(JPEG) else 1


def require_few_scans(n_scans: int, size: tuple[int, int], *, name: str) -> None:
    """Raises UnreadablePhoto where decoding a photo of this width and height would take seconds."""
    most = min(MAX_SCANS, MAX_SCANNED_PIXELS // max(1, size[0] * size[1]))
    if n_scans > most:
        raise UnreadablePhoto(
            f"{name} is a JPEG of {n_scans:,} scans; one of {size[0]} x {size[1]} pixels may have "
            f"{most}. Save it as a plain JPEG, not a progressive one, and send that."
        )


def _count_scans(content: bytes, name: str) -> int:
    at, n_scans, n_parts = 2, 0, 0
    while (found := SEGMENT.search(content, at)) is not None:
        marker = content[found.start() + 1]
        if marker == END and n_scans > 0:
            return n_scans
        if marker in ARITHMETIC:
            raise UnreadablePhoto(
                f"{name} is a JPEG of arithmetic coding (marker {marker:#x}), which browsers do "
                "not show either. Save it as a plain JPEG and send that."
            )
        n_scans += marker == SCAN
        n_parts += 1 if n_scans else 1 + found.start() - at  # strays before the image cost too
        _require_few(n_parts, name)
        at = found.end()
        if marker != END:
            at += max(2, int.from_bytes(content[at : at + 2]))
    _require_few(n_parts if n_scans else n_parts + len(content) - at, name)
    return n_scans


def _count_chunks(content: bytes) -> int:
    """Chunks of a PNG to its end; to one more than it may have."""
    at, n_chunks = len(PNG), 0
    while at < len(content) and n_chunks <= MAX_PARTS:
        n_chunks += 1
        if content[at + 4 : at + 8] == b"IEND":
            break
        at += 12 + int.from_bytes(content[at : at + 4])
    return n_chunks


def _require_few(n_parts: int, name: str) -> None:
    if n_parts > MAX_PARTS:
        raise UnreadablePhoto(
            f"{name} is made of more than {MAX_PARTS:,} parts, as no camera or program makes one. "
            "Save it again as a JPEG, PNG or WebP file and send that."
        )
