"""Reads words on a photo with RapidOCR, whose models lie in its wheel: nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR
from rapidocr.utils.output import RapidOCROutput

from photosearch.catalog.images import Box
from photosearch.errors import BadArtifact
from photosearch.perception.reader import Word

LINES_MODEL = "PP-OCRv6_det_small.onnx"
LETTERS_MODEL = "PP-OCRv6_rec_small.onnx"
"""It knows Latin and Chinese, and no Cyrillic: decision 28."""
TEST_CARD = "KR-4821"

Corners = NDArray[np.floating]
"""Of a line, clockwise from where it starts. Shape (4, 2), columns x and y."""


class RapidReader:
    """RapidOCR without its classifier for text upside down, on ONNX Runtime."""

    def __init__(self, *, side_px: int, confidence_min: float, threads: int) -> None:
        """Loads both models and reads a test card, so that a broken installation fails here.

        Args:
            side_px: Longer side at which lines are looked for; letters are then read at the
                photo's own size. A smaller photo is not enlarged.
            confidence_min: Lines below are left out.
            threads: Of ONNX Runtime for one photo; more than there are cores means all cores.

        Raises:
            BadArtifact: A model is missing or cannot read.
        """
        models = _models_folder()
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",  # it warns of each photo without words
                "Global.use_cls": False,
                "Global.text_score": confidence_min,
                "Det.limit_type": "max",  # by default photos are enlarged: 4 times the work
                "Det.limit_side_len": side_px,
                "Det.model_path": str(models / LINES_MODEL),
                "Rec.model_path": str(models / LETTERS_MODEL),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        read = [word.text for word in self.read(_test_card())]
        if read != [TEST_CARD]:
            raise BadArtifact(
                f"RapidOCR reads {read} where {TEST_CARD!r} is printed. Install `rapidocr` and "
                "`onnxruntime` again as uv.lock has them."
            )

    def read(self, photo: Image.Image) -> list[Word]:
        """The words on an RGB photo, line by line from the top; none is an answer too."""
        lines = self._engine(photo)
        if not isinstance(lines, RapidOCROutput):  # it found lines and could read none
            return []
        if lines.boxes is None or lines.txts is None or lines.scores is None:
            return []
        found = zip(lines.boxes, lines.txts, lines.scores, strict=True)
        return [
            Word(text, float(confidence), box, number)
            for number, (corners, line, confidence) in enumerate(found)
            for text, box in words_of_line(line, corners)
        ]


def words_of_line(line: str, corners: Corners) -> list[tuple[str, Box]]:
    """Splits a line at its spaces; a word gets its share of the line's box by characters."""
    words, start = [], 0
    for text in line.split(" "):
        if text:
            words.append((text, _part(corners, start / len(line), (start + len(text)) / len(line))))
        start += len(text) + 1
    return words


def _part(corners: Corners, start: float, end: float) -> Box:
    """The upright box round a line between two shares of its way."""
    top_left, top_right, bottom_right, bottom_left = corners
    along_top, along_bottom = top_right - top_left, bottom_right - bottom_left
    part = np.array(
        [edge + way * share for share in (start, end)
         for edge, way in ((top_left, along_top), (bottom_left, along_bottom))]
    )  # fmt: skip
    (left, top), (right, bottom) = part.min(0).tolist(), part.max(0).tolist()
    return left, top, right, bottom


def _models_folder() -> Path:
    """Where RapidOCR's wheel keeps its models; its own search would download missing ones."""
    spec = find_spec("rapidocr")
    folder = Path(spec.origin if spec and spec.origin else "rapidocr").parent / "models"
    for name in (LINES_MODEL, LETTERS_MODEL):
        if not (folder / name).is_file():
            raise BadArtifact(
                f"{folder} has no {name}: this is another version of RapidOCR than uv.lock names. "
                "Run `uv sync`."
            )
    return folder


def _test_card() -> Image.Image:
    card = Image.new("RGB", (256, 96), "white")
    font = ImageFont.load_default(size=40)
    ImageDraw.Draw(card).text((128, 48), TEST_CARD, font=font, fill="black", anchor="mm")
    return card
