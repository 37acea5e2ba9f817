"""Where settings become what looks at photos; the other objects are made in assembly.py."""

from typing import TYPE_CHECKING

from photosearch.home import Home
from photosearch.perception_settings import DetectorParams, OcrParams

if TYPE_CHECKING:
    from photosearch.perception.onnx_detector import OnnxDetector
    from photosearch.perception.reader import Reader


def load_reader(ocr: OcrParams) -> "Reader | None":
    """What reads words on photos, ready to be asked; None where params turn it off.

    Raises:
        BadArtifact: RapidOCR's models are not here, or do not read.
    """
    match ocr.reader:
        case "rapidocr":
            from photosearch.perception.ocr import RapidReader

            return RapidReader(
                side_px=ocr.side_px, confidence_min=ocr.confidence_min, threads=ocr.threads
            )
        case "off":
            return None


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
