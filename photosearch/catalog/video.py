"""A video file as a source: one card whose pictures are frames, one a scene or one a while."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from photosearch.catalog.images import MAX_PIXELS
from photosearch.catalog.source_rows import MAX_IMAGES, RawRow
from photosearch.catalog.sources import ImageFile
from photosearch.errors import BadSource, MissingPhoto

if TYPE_CHECKING:
    from av import VideoFrame
    from numpy import float32
    from numpy.typing import NDArray

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
SCENE_DIFFERENCE = 24.0
"""Mean difference of grey levels, 0 to 255, between two neighbouring frames seen small; more is a
cut. Made-up videos: tests/test_catalog_video.py; not measured on filmed ones."""
MIN_SCENE_S = 0.5
"""A flash is not a scene."""
SEEN_PX = 32
JPEG_QUALITY = 92
MAX_VIDEO_S = 4 * 3600.0


class VideoSource:
    """Frames of one file; they are made when its card is listed, at most as many as a card has."""

    is_near = True

    def __init__(self, path: Path, *, every_s: float | None = None) -> None:
        """Looks only whether the file is there.

        Args:
            path: A video that FFmpeg reads.
            every_s: A frame each so many seconds; None takes the first frame of each scene.

        Raises:
            BadSource: There is no such file, or `every_s` is not above 0.
        """
        if not path.is_file():
            raise BadSource(f"{path} is not a file. Name a video: {', '.join(SUFFIXES)}.")
        if every_s is not None and every_s <= 0:
            raise BadSource(f"A frame each {every_s} s cannot be taken. Give seconds above 0.")
        self._path, self._every_s = path, every_s
        self._frames: dict[str, bytes] = {}

    @property
    def name(self) -> str:
        return f"video {self._path.name}"

    def cards(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it tells everything
        self._frames = dict(self._taken())
        card_id = re.sub(r"[/\x00-\x1f\x7f-\x9f]", "_", self._path.stem)[:200]
        yield {"card_id": card_id, "title": self._path.stem[:1000], "images": list(self._frames)}

    def reviews(self, since: str = "") -> Iterator[RawRow]:  # noqa: ARG002 - it has none
        return iter(())

    def read_image(self, address: str, *, known_mark: str = "") -> ImageFile | None:  # noqa: ARG002
        content = self._frames.get(address)
        if content is None:
            raise MissingPhoto(f"{address} is no frame that was taken. List the video again.")
        return ImageFile(content, mark="")

    def _taken(self) -> Iterator[tuple[str, bytes]]:
        """Address and JPEG of the frames; raises BadSource if there are too many or none."""
        import av

        n_taken = 0
        try:
            with av.open(str(self._path)) as video:
                for at_s, frame in self._chosen(video.decode(video=0)):
                    n_taken += 1
                    if n_taken > MAX_IMAGES:
                        raise BadSource(
                            f"{self._path} has more than {MAX_IMAGES} frames to take in "
                            f"{at_s:.0f} s. Take fewer: set PHOTOSEARCH_SOURCE_EVERY_S to a larger "
                            "number."
                        )
                    yield f"{at_s:.3f}.jpg", _jpeg(frame)
        except (av.FFmpegError, IndexError) as error:
            raise BadSource(f"{self._path} is not a readable video: {error}. Mend it.") from None
        if not n_taken:
            raise BadSource(f"{self._path} has no frame. Name a video with pictures.")

    def _chosen(self, frames: Iterator["VideoFrame"]) -> Iterator[tuple[float, "VideoFrame"]]:
        """Frames to take, with their time from the start in seconds."""
        start_s, taken_s, last = None, None, None
        for frame in frames:
            if frame.width * frame.height > MAX_PIXELS:
                raise BadSource(
                    f"{self._path} has {frame.width} x {frame.height} pixels. Shrink it."
                )
            shown_s = float(frame.time or 0.0)
            start_s = shown_s if start_s is None else start_s
            at_s = shown_s - start_s
            if at_s > MAX_VIDEO_S:
                raise BadSource(f"{self._path} is longer than {MAX_VIDEO_S:.0f} s. Cut it.")
            seen = None if self._every_s else _seen(frame)
            if taken_s is None:
                is_due = True
            elif self._every_s:
                is_due = at_s >= taken_s + self._every_s
            else:
                is_due = at_s >= taken_s + MIN_SCENE_S and _is_cut(last, seen)
            last = seen
            if is_due:
                taken_s = at_s
                yield at_s, frame


def _seen(frame: "VideoFrame") -> "NDArray[float32]":
    import numpy as np

    return frame.reformat(SEEN_PX, SEEN_PX, "gray").to_ndarray().astype(np.float32)


def _is_cut(before: "NDArray[float32] | None", now: "NDArray[float32] | None") -> bool:
    if before is None or now is None:
        return False
    return float(abs(now - before).mean()) > SCENE_DIFFERENCE


def _jpeg(frame: "VideoFrame") -> bytes:
    kept = io.BytesIO()
    Image.fromarray(frame.to_ndarray(format="rgb24")).save(kept, "JPEG", quality=JPEG_QUALITY)
    return kept.getvalue()
