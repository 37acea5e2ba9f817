"""Where settings become what looks at photos; the other objects are made in assembly.py."""

from typing import TYPE_CHECKING

from photosearch.perception_settings import OcrParams

if TYPE_CHECKING:
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
