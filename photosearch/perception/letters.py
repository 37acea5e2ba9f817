"""Reads the letters of one line with PP-OCR's model, and tells where it is in doubt; no photos.

RapidOCR's own reading keeps the likeliest character of each place only. A 6 of a blurred photo
comes out as an 8 at .6, and that a 6 was at .35 is lost: decision 28.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from numpy.typing import NDArray

from photosearch.perception.reader import DOUBT_MIN, Doubt

LINE_PX, LINE_WIDTH_MIN_PX = 48, 320
"""What the model was trained on: lines so high, filled up to so wide with grey."""

Pixels = NDArray[np.uint8]
"""Of a line cut out and turned upright. Shape (height, width, 3)."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    confidence: float
    """Mean probability of its characters, in [0, 1]; 0 where there is none."""
    doubts: tuple[Doubt, ...]


class LettersModel:
    """A recogniser of PP-OCR with its characters in its metadata, on ONNX Runtime."""

    def __init__(self, path: Path, *, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        known = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._characters = ["", *known, " "]  # 0 is CTC's blank

    def read(self, pixels: Pixels) -> Line:
        """Reads one line; safe to call from several threads."""
        (output,) = self._session.run(None, {self._input: prepared(pixels)})
        return self._decoded(np.asarray(output)[0])

    def _decoded(self, probabilities: NDArray[np.float32]) -> Line:
        """Best path of CTC, (n_steps, n_characters): repeats count once, blanks not at all."""
        best = probabilities.argmax(axis=1)
        is_new = np.concatenate([[True], best[1:] != best[:-1]])
        steps = np.flatnonzero(is_new & (best != 0)).tolist()
        text = "".join(self._characters[best[step]] for step in steps)
        doubts = [
            Doubt(place, self._characters[other], share)
            for place, step in enumerate(steps)
            for other, share in _others(probabilities[step])
        ]
        sure = [float(probabilities[step].max()) for step in steps]
        return Line(text, float(np.mean(sure)) if sure else 0.0, tuple(doubts))


def prepared(pixels: Pixels) -> NDArray[np.float32]:
    """A line as the model wants it, (1, 3, LINE_PX, width), in [-1, 1].

    Grey, stretched from its darkest to its lightest pixel: .963 of articles found instead of .958.
    """
    grey = cv2.normalize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    width = math.ceil(LINE_PX * grey.shape[1] / grey.shape[0])
    line = np.zeros((LINE_PX, max(LINE_WIDTH_MIN_PX, width)), np.float32)
    line[:, :width] = cv2.resize(grey, (width, LINE_PX)).astype(np.float32) / 127.5 - 1
    return np.broadcast_to(line, (1, 3, *line.shape)).copy()


def _others(probabilities: NDArray[np.float32]) -> Sequence[tuple[int, float]]:
    """Characters, blank aside, that are nearly as likely as the likeliest, and how nearly."""
    shares = probabilities / probabilities.max()
    likely = np.flatnonzero((shares >= DOUBT_MIN) & (shares < 1)).tolist()
    return [(number, float(shares[number])) for number in likely if number]
