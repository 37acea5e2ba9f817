"""Numbers of perception: how things on photos are found and words on them are read."""

from typing import Literal, Self

from pydantic import Field, model_validator

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


class DetectorParams(Frozen):
    """Things on photos; the evidence for the values is in docs/decisions.md, 32."""

    model: Literal["ours", "rtdetr", "yolox", "none"]
    """`ours` is training/detector.py's; `rtdetr` is RT-DETR and D-FINE as transformers exports
    them; `yolox` is YOLOX's own export."""
    file: str
    """The ONNX graph, in the home or elsewhere; empty: the one that photosearch brings."""
    classes: str
    """A file with the names of its classes in their order; empty for `ours`, which has one."""
    confidence_min: float = Field(ge=0, le=1)
    """Things less sure are left out."""
    overlap_max: float = Field(ge=0, le=1)
    """Of two boxes with a larger intersection over union, only the surer one stays."""
    masks: bool
    """Paint white what a box shows beside the thing, where the model gives masks."""
    threads: int = Field(gt=0)
    """Of ONNX Runtime for one photo; changes the time and no result."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.model in {"rtdetr", "yolox"} and not (self.file and self.classes):
            raise ValueError(f"{self.model} comes from a file: name `file` and `classes`")
        if self.model == "ours" and self.classes:
            raise ValueError("`ours` knows one class, product: leave `classes` empty")
        return self
