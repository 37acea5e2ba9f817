"""Params of the gate and of calibration; a part of the Params in settings.py."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class GateParams(Frozen):
    metric: Literal["recall_at_1", "mrr", "map_at_10", "ndcg_at_10"]
    length: int = Field(gt=0)
    min_gain: float
    """The candidate's metric must exceed the champion's by this."""
    confidence: float = Field(gt=0.5, lt=1)
    """Share of paired bootstrap samples in which the gain must be above zero."""
    slice_margin: float = Field(ge=0)
    """`seen`, `unseen` and every other vector length may lose this much of the metric."""
    category_margin: float = Field(ge=0)
    """No category may lose more than this in `confidence` of its own bootstrap samples."""
    category_queries_min: int = Field(gt=0)
    """Categories with fewer queries are told, not judged."""
    processor_ms_max: float = Field(gt=0)
    """Median processor time to embed one photo, all threads together, on the judging machine."""
    size_mb_max: float = Field(gt=0)
    """All files of the model, in 10^6 bytes."""


class CalibrationParams(Frozen):
    """From the score of a found card to the probability that it is the product."""

    precision: float = Field(gt=0, lt=1)
    """Answers from the abstain threshold up are right in this share; see docs/decisions.md, 29."""
    queries_max: int = Field(gt=0)
    """Queries asked at most, chosen by chance; bounds the time of a release."""


class BenchmarkParams(Frozen):
    """How far the views of `photosearch benchmark` go from a photo, and how much it asks."""

    queries_max: int = Field(gt=0)
    """Held-out photos that ask, at most, and titles; chosen by the seed."""
    middle_side: float = Field(gt=0, le=1)
    """Sides of the box of a photo on which nobody drew one, as a share of the photo's."""
    wrong_box_shift: float = Field(ge=0)
    """How far a wrong box is moved, as a share of the right one's sides."""
    crop_side: float = Field(gt=0, le=1)
    """Sides of a cropped photo, as a share of the whole one's."""
    turn_degrees: float = Field(ge=0, le=180)
    jpeg_quality: int = Field(ge=1, le=95)
    jpeg_side_px: int = Field(gt=0)
    """Longer side of a compressed photo."""
    dark_light: float = Field(gt=0, le=1)
    """Share of the light that a dark photo keeps."""
    seed: int
