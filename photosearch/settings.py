"""One frozen Settings: params (params.yaml, seen by DVC) and services (the environment)."""

from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from photosearch.drift_settings import DriftParams
from photosearch.errors import BadParams
from photosearch.experiment_settings import ExperimentParams
from photosearch.feedback_settings import FeedbackParams
from photosearch.frozen import Frozen
from photosearch.head_settings import HeadParams, TokensParams
from photosearch.home import Home
from photosearch.index_settings import IndexParams
from photosearch.judging_settings import BenchmarkParams, CalibrationParams, GateParams
from photosearch.late_settings import LateInteractionParams
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.policy_settings import PoliciesParams
from photosearch.ranking_settings import RankingParams
from photosearch.tags_settings import TagsParams
from photosearch.text_search_settings import TextSearchParams
from photosearch.text_settings import TextParams


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
    crop_area_min: float = Field(gt=0, le=1)
    """Smallest share of a photo that is shown."""
    turn_degrees: float = Field(ge=0, le=180)
    erase_probability: float = Field(ge=0, le=1)
    """Share of photos with a rectangle painted over."""
    seed: int


class CurationParams(Frozen):
    """One threshold a rule of curation; the evidence for the values is in docs/decisions.md, 27."""

    min_side_px: int = Field(gt=0)
    near_duplicate_bits: int = Field(ge=0, le=16)
    """Photos whose 64-bit perceptual hashes differ in at most so many bits are compared closely."""
    near_duplicate_likeness: float = Field(gt=0, le=1)
    """Compared closely, they are one photo if their detail correlates at least so well."""
    semantic_duplicate_cosine: float = Field(gt=0, le=2)
    """Photos of one product whose vectors are at least so near are one photo; 2: off."""
    semantic_across_cosine: float = Field(gt=0, le=2)
    """The same for photos of two products; `build-dataset` learns it where labels are enough."""
    learn_from_labels: int = Field(ge=0)
    """Labels of pairs across products that it takes to learn the value above; 0 never learns."""
    dark_light_max: float = Field(ge=0, le=255)
    """Too dark: 95% of the pixels are below this grey level."""
    blurred_sharpness_max: float = Field(ge=0)
    """Blurred: steepest edges by contrast are below this."""
    page_flat_min: float = Field(ge=0, le=1)
    """A drawn page: this share of pixels has no texture, and ..."""
    page_line_min: float = Field(ge=0, le=255)
    """... a line of at least so many grey levels runs from edge to edge."""
    screenshot_text_min: float = Field(ge=0)
    """A page with so many strong steps in a row of 256 pixels is a screenshot, else a banner."""
    collage_line_min: float = Field(ge=0, le=255)
    """A gallery picture with a line of so many grey levels from edge to edge is a collage."""
    person_skin_min: float = Field(ge=0, le=1)
    """A person: this share of the middle has the colours of skin, and ..."""
    person_belonging_min: float = Field(ge=-4, le=2)
    """... the photo belongs to its card less than this."""
    not_a_product_margin: float
    """Rejected if cosine to 'not a product' texts exceeds that to product texts by this; 2: off."""
    belonging_min: float = Field(ge=-4, le=2)
    """Rejected if the photo belongs to its card less than this; see `curation/belonging.py`."""
    test_card_share: float = Field(ge=0, lt=1)
    """Share of product groups never seen in training; where the source gives no split."""
    test_photo_share: float = Field(ge=0, lt=1)
    """Share of a seen card's review photos kept as queries; where the source gives no split."""


class PairShares(Frozen):
    """How the budget is split over the reasons to ask; what a source cannot fill goes to others."""

    same_card: float = Field(ge=0)
    """Photos of one card, least alike first: gallery with buyers' photos before all others."""
    neighbours: float = Field(ge=0)
    """Nearest photos of different products."""
    threshold: float = Field(ge=0)
    """Pairs of which the model is least sure."""
    disagreement: float = Field(ge=0)
    """Pairs of which the tower and the live model think differently."""
    clicks: float = Field(ge=0)
    """Pairs where shoppers' clicks contradict the model."""


class PairsParams(Frozen):
    budget: int = Field(ge=0)
    """Pairs worth asking, in all; raise it to have more pairs of the same photos asked."""
    gold: int = Field(ge=0)
    """Easy pairs with known answers, beside the budget: they measure annotators."""
    shares: PairShares


class LabelsParams(Frozen):
    """How people are asked, and when a pair counts as decided."""

    votes_first: int = Field(ge=1)
    """People asked about each pair at first."""
    votes_most: int = Field(ge=1)
    """No pair is asked of more people than this."""
    votes_budget: int = Field(ge=0)
    """Votes in all, beyond which no pair gets another one."""
    decided_at: float = Field(gt=0.5, lt=1)
    """A pair is decided once the probability of its answer is at least this."""
    blind_share: float = Field(ge=0, le=1)
    """Share of pairs asked without the model's opinion, as an audit of its influence."""
    boxes: int = Field(ge=0)
    """Training photos sent to people who draw boxes round products."""


class Params(Frozen):
    simulator: SimulatorParams
    tower: TowerParams
    pretraining: PretrainingParams
    curation: CurationParams
    drift: DriftParams
    pairs: PairsParams
    labels: LabelsParams
    tokens: TokensParams
    head: HeadParams
    text: TextParams
    text_search: TextSearchParams
    gate: GateParams
    calibration: CalibrationParams
    benchmark: BenchmarkParams
    index: IndexParams
    late_interaction: LateInteractionParams
    ranking: RankingParams
    feedback: FeedbackParams
    ocr: OcrParams
    detector: DetectorParams
    tags: TagsParams
    policies: PoliciesParams
    experiments: ExperimentParams


class Services(BaseSettings):
    """Addresses and secrets; from `PHOTOSEARCH_...` variables only."""

    model_config = SettingsConfigDict(env_prefix="PHOTOSEARCH_", frozen=True)

    home: Path | None = None
    """The home folder when `--home` is not given."""
    release: Path | None = None
    """The release folder a service answers with, before any other."""
    encoder_threads: int = Field(0, ge=0)
    """Of the runtime, for a batch alone or for all side by side; 0 takes all cores. Changes times
    and no answer."""
    encoder_runtime: str = "fastest"
    """What runs the graph: `openvino bf16`, ...; one for all where two starts may not differ."""
    releases_kept: int = Field(3, gt=0)
    """Of those that were live before, and of the newest; older ones are removed after a switch."""
    articles_wait_ms: float = Field(0.0, ge=0)
    """An answer so old is given without the articles that are still being read; 0 never waits."""
    articles_waiting_max: int = Field(8, gt=0)
    """Photos read or waiting to be read at once; one more is not read."""
    events: str = ""
    """Where events are kept: `sqlite:////absolute/path` or `postgresql://USER:PASSWORD@HOST/NAME`;
    empty means `data/events/events.sqlite` of the home, and none are kept without one."""
    events_keep_days: int = Field(180, ge=1)
    """`photosearch events prune` removes what is older."""
    deadline_s: float = Field(10.0, gt=0, le=60)
    """A search that has no answer after so long is answered 503."""
    upload_s: float = Field(30.0, gt=0, le=60)
    """A body that has not arrived after so long is answered 408."""
    api_keys: dict[str, SecretStr] = {}
    """JSON, `{"shop": "SHA-256 OF ITS KEY"}`; none means that no key is needed."""
    key_per_min: int = Field(0, ge=0)
    """Calls of one key; 0 means as many as it likes."""
    public_per_min: int = Field(0, ge=0)
    """Calls of an address without a key, the page's too; 0: none where there are keys, else all."""
    cors_origins: str = ""
    """Origins whose pages may call, with commas between; empty means our own page alone."""
    source_hosts: str = ""
    """What image addresses of a source may name though it is not open to all, with commas between:
    hosts (`media.local`, `10.0.0.7:9000`) and folders (`s3://photos`)."""
    source_requests_per_s: float = Field(50.0, gt=0)
    """Of one host; a source on this machine has no limit."""
    source_images: str = ""
    """The folder that a manifest's image paths start from; empty means where the manifest lies."""
    source_every_s: float | None = Field(None, gt=0)
    """Seconds between frames of a video; absent means one a scene."""
    hub_mirror: str = ""
    """Address of a Hugging Face mirror for tower weights; empty means the hub itself."""
    describer_url: str = ""
    """An OpenAI-compatible endpoint that sees, with its version; empty means attributes alone."""
    describer_model: str = ""
    describer_key: SecretStr = SecretStr("")
    qdrant_url: str = ""
    """A Qdrant server; empty means Qdrant Edge in this process."""
    qdrant_api_key: SecretStr = SecretStr("")
    qdrant_shards: int = Field(1, ge=1)
    """Parts of a new collection, spread over the nodes of a cluster and searched side by side."""
    qdrant_replicas: int = Field(1, ge=1)
    """Nodes that keep each part; one may fail where there are two."""
    qdrant_alias: str = "photosearch-live"
    """The name that leads to the live release's collection."""
    label_studio_url: str = ""
    """A Label Studio server; empty means simulated annotators (and they say so)."""
    label_studio_token: SecretStr = SecretStr("")
    simulator_url: str = ""
    """A running simulator; its annotators answer where no Label Studio is configured."""
    label_studio_document_root: Path | None = None
    """The server's LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, at the same path on this machine."""
    dask_address: str = ""
    """A Dask scheduler, such as `tcp://HOST:8786`; empty means the threads of this process."""
    webhook_url: str = ""
    """Address of `photosearch webhook` as Label Studio reaches it; empty means polls alone."""
    webhook_secret: SecretStr = SecretStr("")
    """Label Studio sends it with each message."""
    photos_url: str = ""
    """Our photo endpoint as annotators' browsers reach it; empty means Label Studio's own files."""
    photos_secret: SecretStr = SecretStr("")
    """Signs links to photos; the same for who makes links and who serves photos."""
    lightning: dict[str, Any] = {}
    """JSON that head training gives Lightning's Trainer: `{"devices": 4, "strategy": "ddp"}`."""


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
    except (ValidationError, SettingsError) as error:  # the latter: it is no JSON
        what = _first_complaint(error) if isinstance(error, ValidationError) else error
        raise BadParams(f"Environment: {what}. Mend the variable.") from None


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name}: {first['msg']} (got {first.get('input')!r})"
