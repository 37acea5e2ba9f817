"""What a release looks at photos with: its detector, and how words are read; runs neither.

It lies in the release's folder `seeing`: seeing.json has the settings of both, detector.onnx is the
detector's graph, where there is one.
"""

import hashlib
import shutil
from pathlib import Path

from pydantic import ValidationError

from photosearch.errors import BadArtifact, BadParams
from photosearch.frozen import Frozen
from photosearch.perception.detector_formats import Format
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.report import write_text

FOLDER, SETTINGS, GRAPH = "seeing", "seeing.json", "detector.onnx"


class SeenBy(Frozen):
    """A release's detector: what it takes to shrink a photo for it, and to run it."""

    format: Format
    classes: tuple[str, ...]
    confidence_min: float
    overlap_max: float
    threads: int
    seen_px: tuple[int, int]
    """Width and height that its graph takes."""
    sha256: str
    """Of its graph."""


class Seeing(Frozen):
    detector: SeenBy | None
    """None: the whole photo is searched."""
    ocr: OcrParams

    @property
    def id(self) -> str:
        """Equal for two releases that find the same things and words on every photo."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


def describe_seeing(
    detector: DetectorParams, ocr: OcrParams, *, graph: Path | None, classes: list[str],
    seen_px: tuple[int, int] = (0, 0),
) -> Seeing:  # fmt: skip
    """What a release will look at photos with.

    Args:
        detector: Its settings.
        ocr: How words are read.
        graph: The detector's ONNX file; None where there is no detector.
        classes: Names of its classes.
        seen_px: Width and height that the graph takes.

    Raises:
        BadParams: Masks are asked for.
    """
    if graph is None or detector.model == "none":
        return Seeing(detector=None, ocr=ocr)
    if detector.masks:
        raise BadParams(
            "detector.masks is true in params.yaml, but a search cuts boxes out with what is "
            "behind the thing (docs/decisions.md, 41). Set it to false."
        )
    seen_by = SeenBy(
        format=detector.model,
        classes=tuple(classes),
        confidence_min=detector.confidence_min,
        overlap_max=detector.overlap_max,
        threads=detector.threads,
        seen_px=seen_px,
        sha256=hashlib.sha256(graph.read_bytes()).hexdigest(),
    )
    return Seeing(detector=seen_by, ocr=ocr)


def write_seeing(release: Path, seeing: Seeing, *, graph: Path | None) -> None:
    """Writes the folder `seeing` into a release that is being made."""
    folder = release / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    if graph is not None and seeing.detector is not None:
        shutil.copyfile(graph, folder / GRAPH)
    write_text(folder / SETTINGS, seeing.model_dump_json(indent=1) + "\n")


def read_seeing(release: Path) -> Seeing | None:
    """How a release looks at photos; None: it was made before releases did.

    Raises:
        BadArtifact: The folder is damaged.
    """
    path = release / FOLDER / SETTINGS
    if not path.exists():
        return None
    try:
        return Seeing.model_validate_json(path.read_text())
    except (OSError, ValidationError) as error:
        raise BadArtifact(
            f"{path} does not say how to look at photos ({error}). Make the release again with "
            "`photosearch index`."
        ) from None


def graph_of_detector(release: Path) -> Path:
    """Where a release keeps its detector's graph."""
    return release / FOLDER / GRAPH
