"""Numbers of perception: how words on photos are read."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class OcrParams(Frozen):
    """Words printed on photos; the evidence for the values is in docs/decisions.md, 28."""

    reader: Literal["rapidocr", "off"]
    side_px: int = Field(ge=32)
    """Longer side at which lines are looked for; a smaller photo is not enlarged."""
    confidence_min: float = Field(ge=0, le=1)
    """Lines read with a lower mean probability of their characters are left out."""
    threads: int = Field(gt=0)
    """Of ONNX Runtime for one photo; changes the time and no result."""
