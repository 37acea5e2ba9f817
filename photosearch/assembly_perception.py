"""Where settings become what looks at photos; the other objects are made in assembly.py."""

from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.home import Home
from photosearch.perception_settings import DetectorParams, OcrParams

if TYPE_CHECKING:
    from photosearch.perception.onnx_detector import OnnxDetector
    from photosearch.search.seeing import Seeing


def load_detector(detector: DetectorParams, home: Home) -> "OnnxDetector | None":
    """What finds things on photos, ready to be asked; None where params turn it off.

    Raises:
        BadArtifact: The graph or its class list is not there, or they do not fit.
    """
    if detector.model == "none":
        return None
    from photosearch.perception.onnx_detector import (
        CLASSES_OF_OURS,
        OURS,
        OnnxDetector,
        read_classes,
    )

    file, classes = (
        home.root / name if name else None for name in (detector.file, detector.classes)
    )
    return OnnxDetector(
        file or OURS,
        format_=detector.model,
        classes=read_classes(classes) if classes else CLASSES_OF_OURS,
        confidence_min=detector.confidence_min,
        overlap_max=detector.overlap_max,
        keep_masks=detector.masks,
        threads=detector.threads,
    )


def seeing_of(detector: DetectorParams, ocr: OcrParams, home: Home) -> "tuple[Seeing, Path | None]":
    """What a release of these settings looks at photos with, and its detector's graph.

    Raises:
        BadArtifact: The graph or its class list is not there, or they do not fit.
        BadParams: Masks are asked for.
    """
    from photosearch.search.seeing import describe_seeing

    loaded = load_detector(detector, home)
    if loaded is None:
        return describe_seeing(detector, ocr, graph=None, classes=[]), None
    seeing = describe_seeing(
        detector, ocr, graph=loaded.path, classes=loaded.classes, seen_px=loaded.seen_px
    )
    return seeing, loaded.path
