"""A detector from an ONNX file; what its numbers mean is in detector_formats.py."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import Box, content_hash
from photosearch.errors import BadArtifact
from photosearch.perception.detector import Found, inside, thin_out
from photosearch.perception.detector_formats import Format, Outputs, Things, as_input, as_things
from photosearch.perception.detector_graphs import (
    RUNTIME_ERRORS,
    OpenGraph,
    by_onnxruntime,
    wrong_detector,
)

OURS = Path(__file__).with_name("product_detector.onnx")
"""Trained on the simulator's scenes; product_detector.json beside it tells how."""
CLASSES_OF_OURS = ("product",)
TRIAL_SIZE = (320, 240)

log = logging.getLogger(__name__)


class OnnxDetector:
    """A detector from a file; may be used from several threads at once."""

    def __init__(  # noqa: PLR0913 - options have names
        self,
        path: Path,
        *,
        format_: Format,
        classes: Sequence[str],
        confidence_min: float,
        overlap_max: float,
        keep_masks: bool,
        threads: int,
        open_graph: OpenGraph = by_onnxruntime,
    ) -> None:
        """Loads the graph and looks at a grey photo, so that a wrong file fails here.

        Args:
            path: The .onnx file.
            format_: Which export it is.
            classes: Names, in the order of the graph's classes.
            confidence_min: Things less sure are left out.
            overlap_max: Of two boxes with a larger intersection over union, the surer one stays.
            keep_masks: Give masks where the graph has them.
            threads: For one photo.
            open_graph: Which runtime.

        Raises:
            BadArtifact: The file is no such graph, or has another number of classes.
        """
        self.path, self._format, self.classes = path, format_, list(classes)
        self._confidence_min, self._overlap_max = confidence_min, overlap_max
        self._keep_masks = keep_masks
        self._graph = open_graph(path, threads)
        self.seen_px = self._graph.seen_px  # width and height
        self._things(Image.new("RGB", TRIAL_SIZE, (128, 128, 128)), TRIAL_SIZE)
        self.told = f"{content_hash(path.read_bytes())[:12]} {confidence_min} {overlap_max}"
        """All that its boxes depend on but photo and runtime."""
        log.info("detector %s (%s, %d x %d px)", path.name, format_, *self.seen_px)

    def find(self, photo: Image.Image) -> list[Found]:
        """The things on an RGB photo, surest first; none is an answer too."""
        return self.find_on(photo, photo.size)

    def find_on(self, photo: Image.Image, size: tuple[int, int]) -> list[Found]:
        """The same for a photo that `shown` has shrunk already.

        Args:
            photo: Shrunk to `seen_px`.
            size: Width and height that the photo had; the boxes are in these pixels.
        """
        things = self._things(photo, size)
        is_box = np.isfinite(things.boxes).all(1)
        sure = np.flatnonzero((things.confidences >= self._confidence_min) & is_box)
        boxes, confidences = things.boxes[sure], things.confidences[sure]
        found = []
        for row in thin_out(boxes, confidences, overlap_max=self._overlap_max):
            box = inside(boxes[row].tolist(), size)
            if box is not None:
                name = self.classes[things.classes[sure[row]]]
                mask = _mask(things.foreground, box, size) if self._keep_masks else None
                found.append(Found(box, float(confidences[row]), name, mask))
        return found

    def _things(self, photo: Image.Image, size: tuple[int, int]) -> Things:
        """All that the graph says, once its shapes have proved to be those of the format."""
        pixels = as_input(photo, self._format, self.seen_px)
        try:
            outputs = self._graph.run(pixels)
            things = as_things(outputs, self._format, self.seen_px, size)
        except (*RUNTIME_ERRORS, KeyError, ValueError, IndexError, AttributeError) as error:
            raise wrong_detector(self.path, f"it is no `{self._format}` graph ({error})") from None
        n_classes = _n_classes(outputs, self._format)
        if n_classes != len(self.classes):
            raise wrong_detector(
                self.path, f"it has {n_classes} classes, the class list {len(self.classes)}"
            )
        return things


def read_classes(path: Path) -> list[str]:
    """Names of classes from a JSON list, a JSON object by number, or a file with one a line.

    Raises:
        BadArtifact: The file is not there, or holds no names.
    """
    try:
        text = path.read_text()
        if path.suffix != ".json":
            return [line.strip() for line in text.splitlines() if line.strip()]
        names = json.loads(text)
        if isinstance(names, dict):  # `id2label` of transformers' config.json
            names = names.get("id2label", names)
            names = [names[str(number)] for number in range(len(names))]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("it is no list of names")
    except (OSError, ValueError, KeyError) as error:
        raise BadArtifact(
            f"{path} has no class names ({error}). Write one name a line, or a JSON list of them, "
            "in the order of the detector's classes."
        ) from None
    return names


def _n_classes(outputs: Outputs, format_: Format) -> int:
    match format_:
        case "ours":
            return 1
        case "rtdetr":
            return int(outputs["logits"].shape[2])
        case "yolox":
            return int(next(iter(outputs.values())).shape[2]) - 5


def _mask(
    foreground: NDArray[np.floating] | None, box: Box, size: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Where the foreground of the whole photo is product inside a box."""
    if foreground is None:
        return None
    height, width = foreground.shape
    left, top, right, bottom = (round(side) for side in box)
    scale = (width / size[0], height / size[1])
    part = (left * scale[0], top * scale[1], right * scale[0], bottom * scale[1])
    shown = Image.fromarray(foreground.astype(np.float32)).resize(
        (right - left, bottom - top), Image.Resampling.BILINEAR, box=part
    )
    mask: NDArray[np.bool_] = np.asarray(shown) >= 0.5
    return mask
