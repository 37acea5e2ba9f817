"""Reads words on a photo with RapidOCR, whose models lie in its wheel: nothing is downloaded.

RapidOCR finds the lines; their letters are read by letters.py, which tells its doubts.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det import TextDetOutput
from rapidocr.utils.process_img import get_rotate_crop_image

from photosearch.catalog.images import Box
from photosearch.errors import BadArtifact
from photosearch.perception.letters import LettersModel, Line
from photosearch.perception.reader import Word

LINES_MODEL = "PP-OCRv6_det_small.onnx"
LETTERS_MODEL = "PP-OCRv6_rec_small.onnx"
"""It knows Latin and Chinese, and no Cyrillic: decision 28."""
TEST_CARD = "KR-4821"

Corners = NDArray[np.floating]
"""Of a line, clockwise from where it starts. Shape (4, 2), columns x and y."""


class RapidReader:
    """PP-OCR without its classifier for text upside down, on ONNX Runtime."""

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
                "Global.use_rec": False,
                "Det.limit_type": "max",  # by default photos are enlarged: 4 times the work
                "Det.limit_side_len": side_px,
                "Det.model_path": str(models / LINES_MODEL),
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )
        self._letters = LettersModel(models / LETTERS_MODEL, threads=threads)
        self._confidence_min, self._side_px = confidence_min, side_px
        read = [word.text for word in self.read(_test_card())]
        if read != [TEST_CARD]:
            raise BadArtifact(
                f"RapidOCR reads {read} where {TEST_CARD!r} is printed. Install `rapidocr` and "
                "`onnxruntime` again as uv.lock has them."
            )

    def read(self, photo: Image.Image) -> list[Word]:
        """The words on an RGB photo, line by line from the top; none is an answer too.

        Where no digit is read, lines are looked for once more on the photo at half its size: large
        letters on a busy product are lost at the full one.
        """
        words = self._words(photo, self._side_px)
        if _has_digit(words):
            return words
        again = self._words(photo, self._side_px // 2)
        return again if _has_digit(again) else words

    def _words(self, photo: Image.Image, side_px: int) -> list[Word]:
        """Words whose lines are found at this longer side; read at the photo's own size."""
        small = photo.copy()
        small.thumbnail((side_px, side_px))
        found = self._engine(small)
        # it answers with another type if there is no line
        if not isinstance(found, TextDetOutput) or found.boxes is None:
            return []
        pixels, scale = np.asarray(photo), np.array(photo.size) / small.size
        places = [(corners * scale).astype(np.float32) for corners in found.boxes]
        lines = [
            (self._letters.read(get_rotate_crop_image(pixels, corners.copy())), corners)
            for corners in places
        ]
        sure = [(line, at) for line, at in lines if line.confidence >= self._confidence_min]
        return [
            word
            for number, (line, corners) in enumerate(sure)
            for word in words_of_line(line, corners, number)
        ]


def _has_digit(words: Sequence[Word]) -> bool:
    return any(character.isdigit() for word in words for character in word.text)


def words_of_line(line: Line, corners: Corners, number: int) -> list[Word]:
    """Splits a line at its spaces; a word gets its share of the line's box by characters."""
    words, start = [], 0
    for text in line.text.split(" "):
        end = start + len(text)
        if text:
            box = _part(corners, start / len(line.text), end / len(line.text))
            doubts = tuple(
                replace(doubt, place=doubt.place - start)
                for doubt in line.doubts
                if start <= doubt.place < end
            )
            words.append(Word(text, line.confidence, box, number, doubts))
        start = end + 1
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
