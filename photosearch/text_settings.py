"""Numbers of the text side: how texts are brought to photos, and how refinement is learned."""

from typing import Literal

from pydantic import Field

from photosearch.frozen import Frozen


class AlignerParams(Frozen):
    """Brings texts into the image space; measured in docs/experiments/text.md."""

    encoder: str = Field(min_length=1)
    """`ngrams`, `tower`, or the name or folder of a sentence-transformers model."""
    start: Literal["closed_form", "orthogonal", "default"]
    """Where the two-layer network starts."""
    ridge: float = Field(gt=0)
    """Of the closed form: added to the diagonal, as a share of its mean."""
    steps: int = Field(ge=0)
    """Of the two-layer network; 0 keeps the closed form, one linear layer."""
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    temperature: float = Field(gt=0)
    seed: int


class RefinerParams(Frozen):
    """Learns "the same but red"; measured in docs/experiments/refinement.md."""

    width: int = Field(gt=0)
    """Of the hidden layer."""
    changed_most: int = Field(gt=0)
    """Attributes in which source and target may differ."""
    targets_a_card: int = Field(gt=0)
    """Triplets that start from one card, at most."""
    described_most: int = Field(ge=0)
    """Triplets that an endpoint is asked to tell apart, where one is configured."""
    triplets_min: int = Field(gt=0)
    """With fewer triplets no refiner is trained, and the report says so."""
    steps: int = Field(gt=0)
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    dropout: float = Field(ge=0, lt=1)
    temperature: float = Field(gt=0)
    seed: int


class TextParams(Frozen):
    aligner: AlignerParams
    refiner: RefinerParams
