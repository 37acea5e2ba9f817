"""One frozen Settings: params (params.yaml, seen by DVC) and services (the environment)."""

import os
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from photosearch.errors import BadParams
from photosearch.home import Home


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SimulatorParams(Frozen):
    """The pretended marketplace; used when the source is `simulator`."""

    cards: int = Field(gt=0)
    seed: int


class TowerParams(Frozen):
    """The frozen image-text tower whose patch tokens everything is built on."""

    name: str
    """`photosearch-small` is trained on the snapshot; any other is an open_clip model name."""
    pretrained: str
    """`own`, an open_clip tag (`webli`), or a folder with open_clip_config.json and weights."""
    image_px: int = Field(gt=0)
    """Side of the square the tower sees."""


class PretrainingParams(Frozen):
    """How `photosearch-small` is trained; not used for other towers."""

    samples_seen: int = Field(gt=0)
    """Photos shown in all; sets the time."""
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    px_schedule: list[int] = Field(min_length=1)
    """Photo side in equal parts of the training, small first (progressive resizing)."""
    mix_probability: float = Field(ge=0, le=1)
    """Share of batches with CutMix or mixup."""
    crop_area_min: float = Field(gt=0, le=1)
    seed: int


class CurationParams(Frozen):
    min_side_px: int = Field(gt=0)
    near_duplicate_bits: int = Field(ge=0, le=64)
    """Photos of one card whose 64-bit perceptual hashes differ in at most so many bits are one."""
    not_a_product_margin: float
    """Rejected if cosine to 'not a product' texts exceeds that to product texts by this."""
    outlier_cosine_min: float = Field(ge=-1, le=1)
    """Rejected if the cosine to the centre of the card's other photos is below this."""
    test_card_share: float = Field(ge=0, lt=1)
    """Share of product groups never seen in training; where the source gives no split."""
    test_photo_share: float = Field(ge=0, lt=1)
    """Share of a seen card's review photos kept as queries; where the source gives no split."""


class PairsParams(Frozen):
    per_card_same: int = Field(ge=0)
    look_alikes: int = Field(ge=0)
    """Pairs of near neighbours across cards, hardest first, in all."""


class TokensParams(Frozen):
    views: int = Field(gt=0)
    """Token sets a training photo: the plain one and `views - 1` augmented ones."""
    seed: int


class HeadParams(Frozen):
    """The attention head and its training."""

    width: int = Field(gt=0)
    """Token width after the self-attention token reducer."""
    tokens: int = Field(gt=0)
    """Tokens after the reducer."""
    heads: int = Field(gt=0)
    out: int = Field(gt=0)
    lengths: list[int] = Field(min_length=1)
    """Matryoshka prefixes, longest first."""
    epochs: int = Field(gt=0)
    batch: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    temperature: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    seed: int


class GateParams(Frozen):
    metric: Literal["recall_at_1", "mrr", "map_at_10", "ndcg_at_10"]
    length: int = Field(gt=0)
    min_gain: float
    """The candidate's metric must exceed the champion's by this."""
    confidence: float = Field(gt=0.5, lt=1)
    """Share of paired bootstrap samples in which the gain must be above zero."""


class IndexParams(Frozen):
    dim: int = Field(gt=0)
    """Vector length stored; one of the head's lengths."""
    hits_per_query: int = Field(gt=0)
    """Photos fetched before they are collapsed into cards."""
    min_recall_vs_exact: float = Field(ge=0, le=1)
    """A new index must find this share of the true 10 nearest photos before it goes live."""


class Params(Frozen):
    simulator: SimulatorParams
    tower: TowerParams
    pretraining: PretrainingParams
    curation: CurationParams
    pairs: PairsParams
    tokens: TokensParams
    head: HeadParams
    gate: GateParams
    index: IndexParams


class Services(BaseSettings):
    """Addresses and secrets; from `PHOTOSEARCH_...` variables only."""

    model_config = SettingsConfigDict(env_prefix="PHOTOSEARCH_", frozen=True)

    home: Path | None = None
    """The home folder when `--home` is not given."""
    release: Path | None = None
    """The release folder a service answers with, before any other."""
    hub_mirror: str = ""
    """Address of a Hugging Face mirror for tower weights; empty means the hub itself."""
    qdrant_url: str = ""
    """A Qdrant server; empty means Qdrant Edge in this process."""
    qdrant_api_key: SecretStr = SecretStr("")
    label_studio_url: str = ""
    """A Label Studio server; empty means simulated annotators (and they say so)."""
    label_studio_token: SecretStr = SecretStr("")
    simulator_url: str = ""
    """A running simulator; its annotators answer where no Label Studio is configured."""
    label_studio_document_root: Path | None = None
    """The server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, at the same path on this machine."""


class Settings(Frozen):
    home: Home
    params: Params
    services: Services


def load_params(path: Path) -> Params:
    """Reads params.yaml.

    Raises:
        BadParams: The file is absent, not YAML, or has a wrong, missing or unknown value.
    """
    try:
        return Params.model_validate(yaml.safe_load(path.read_text()))
    except FileNotFoundError:
        raise BadParams(f"{path} does not exist. Run `photosearch demo`, which makes it.") from None
    except yaml.YAMLError as error:
        raise BadParams(f"{path} is not YAML: {str(error).splitlines()[0]}. Mend it.") from None
    except ValidationError as error:
        raise BadParams(f"{path}: {_first_complaint(error)}. Mend the value.") from None


def load_services() -> Services:
    """Reads the environment; raises BadParams for a value of the wrong type."""
    try:
        return Services()
    except ValidationError as error:
        raise BadParams(f"Environment: {_first_complaint(error)}. Mend the variable.") from None


def quiet_environment() -> dict[str, str]:
    """Environment for the tools we start: no telemetry, no hub when it is told to be offline."""
    return os.environ | {
        "DVC_NO_ANALYTICS": "1",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "GX_ANALYTICS_ENABLED": "false",
        "BENTOML_DO_NOT_TRACK": "True",
    }


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name}: {first['msg']} (got {first.get('input')!r})"
