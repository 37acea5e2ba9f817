"""The rows of every table that crosses a border between parts; one class a parquet table."""

from dataclasses import dataclass, field
from typing import Literal

PhotoKind = Literal["gallery", "review"]
Split = Literal["train", "val", "test"]
Answer = Literal["same", "different", "unclear"]
PairSource = Literal["same_card", "neighbours", "threshold", "disagreement", "clicks", "gold"]


@dataclass(frozen=True, slots=True)
class Card:
    """A product page: what a marketplace says of one product."""

    card_id: str
    title: str
    title_ru: str | None
    description: str | None
    category: list[str]
    """Path from the root: `["Fruit", "Apple"]`."""
    brand: str | None
    article: str | None
    """The vendor's own number, as printed on the product."""
    price: float | None
    group_id: str
    """Cards of one group are the same product sold twice; splits never cut a group."""
    seller: str | None = None
    rating: float | None = None
    """Mean stars, 0 to 5, as the page shows them; 0 where nobody has rated."""
    n_reviews: int | None = None
    """As the page says; a source need not give every review."""
    attributes: dict[str, str] = field(default_factory=dict)
    """The table of properties: `{"Colour": "red", "Material": "cotton"}`."""
    status: str | None = None
    """In the source's own word: `on_sale`, `out_of_stock`, ..."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One listing of an image: a gallery picture of a card or a buyer's photo in a review."""

    photo_id: str
    """Unique: `CARD/gallery/0` or `CARD/review/REVIEW/0`."""
    card_id: str
    kind: PhotoKind
    review_id: str | None
    sha256: str
    """Of the file's bytes; the file lies in `images/`, see `images.path_of`."""
    width: int
    """Pixels, after the EXIF turn."""
    height: int
    split: Split | None
    """What the source says; None leaves the choice to curation."""


@dataclass(frozen=True, slots=True)
class Review:
    """What a buyer wrote."""

    review_id: str
    card_id: str
    text: str | None
    rating: int | None
    """Stars, 1 to 5."""
    split: Split | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A photo that was left out, and why."""

    photo_id: str
    card_id: str
    reason: str
    """A rule's name: `unreadable`, `exact_duplicate`, `near_duplicate`, `not_a_product`, ..."""
    score: float | None
    """What the rule measured, compared with its threshold in params.yaml."""


@dataclass(frozen=True, slots=True)
class CuratedPhoto:
    """A photo that stays, with the split it belongs to."""

    photo_id: str
    card_id: str
    kind: PhotoKind
    sha256: str
    split: Split
    """`train` photos are seen in training; `val` and `test` photos are only ever queries."""
    is_card_seen: bool
    """Whether any photo of this card's group is in training."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question worth asking: do these two photos show the same product?"""

    pair_id: str
    """Made of the two content hashes, in order: the same pair is never asked twice."""
    photo_a: str
    photo_b: str
    card_a: str
    card_b: str
    sha256_a: str
    sha256_b: str
    kind: Literal["same_card", "look_alike"]
    """What the cards say: photos of one card, or of two products."""
    cosine: float
    """By the tower, in [-1, 1]."""
    source: PairSource
    """Why it is worth asking."""
    worth: float
    """In (0, 1]; what is worth most is asked first."""
    probability_same: float
    """What the model believes, in [0, 1]."""
    gold: Answer | None
    """The known answer, where the question tests the annotator and not the photos."""


@dataclass(frozen=True, slots=True)
class ClickedPair:
    """How often shoppers who looked for one photo were shown another, and clicked it."""

    photo_a: str
    photo_b: str
    shown: int
    clicked: int


@dataclass(frozen=True, slots=True)
class Impression:
    """A card that an answer showed to a shopper, and whether the shopper clicked it."""

    query_id: str
    """Of the answer; all its cards have it."""
    card_id: str
    rank: int
    """From 1."""
    is_clicked: bool
    features: dict[str, float]
    """What ranked the card then, by name; logged, since prices and neighbours change."""
    release: str = ""
    """That answered; empty in tables of before it was kept."""


@dataclass(frozen=True, slots=True)
class WeakPair:
    """What clicks say of two photos, where they say enough; a person's answer outranks it."""

    photo_a: str
    photo_b: str
    answer: Literal["same", "different"]
    probability_same: float
    """Clicks of those who looked, debiased: its 95% bound nearer to doubt, in [0, 1]."""
    looks: float
    """Equal looks that say as much."""


@dataclass(frozen=True, slots=True)
class Vote:
    """One answer of one person to one pair; kept as given, corrections replace it."""

    pair_id: str
    photo_a: str
    photo_b: str
    annotator: str
    answer: Answer
    answered_at: str
    """UTC, ISO 8601."""
    project: str
    is_blind: bool
    """Asked without showing what the model believes."""
    probability_model: float | None
    """What the model believed when the pair was asked, in [0, 1]."""
    gold: Answer | None
    """The known answer, if there is one."""


@dataclass(frozen=True, slots=True)
class Label:
    """What people answered to a pair."""

    pair_id: str
    photo_a: str
    photo_b: str
    answer: Answer
    probability_same: float
    """By Dawid-Skene over all votes; 0.5 if none decided."""
    votes: int
    """People who answered, also those who cannot tell."""
    annotators: list[str]
    project: str
    """Where the answers come from: a Label Studio project, or `simulated`."""
    answered_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A rectangle that somebody drew round a product, in shares of the photo's sides."""

    photo_id: str
    sha256: str
    left: float
    top: float
    right: float
    bottom: float
    annotator: str
    drawn_at: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Tag:
    """Words that say what some cards show; its row number is its name in `CardTags`."""

    text: str
    language: Literal["en", "ru"]
    n_cards: int
    """That carry it."""
    reason: str
    """Where it was found, most often first: `title`, `attribute`, `endpoint`."""


@dataclass(frozen=True, slots=True)
class CardTags:
    """What a card carries."""

    card_id: str
    tags: list[int]
    """Row numbers in the table of tags, ascending."""


@dataclass(frozen=True, slots=True)
class DroppedTag:
    """Words that became no tag, and why."""

    text: str
    language: str
    """`en`, `ru`, `mixed`, `other`, or `none` where there is no letter."""
    n_cards: int
    reason: str
    """A rule's name: `rare`, `advertising`, `typo`, ..."""
    instead: str | None
    """The tag that its cards carry in its place."""
