"""A home that tests of the benchmark measure: twelve painted cards, five seen in training."""

from collections.abc import Sequence
from pathlib import Path

from small_tower import ColourTower, png, quarters
from test_text_stage import COLOURS, PATTERNS, every_card
from test_views import STRENGTH

from photosearch.catalog import images
from photosearch.catalog.pull import Snapshot
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.model import HeadShape, Lineage, write_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.embedding.tower import CONFIG, WEIGHTS
from photosearch.evaluation.held_out import HeldOut, read_held_out
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.report import save_report
from training.triplets import triplets_from_cards

N_SEEN = 5
"""Cards with photos in training; the other seven have none."""


class ColourEmbedder:
    """The mean of the colour tower's tokens, straight from the photo."""

    model_id, lengths = "colours", (8, 4)

    def embed(self, photos) -> Vectors:
        return unit(ColourTower().tokens(photos).mean(axis=1))


def write_home(home: Home, side: int = 1) -> None:
    """Twelve cards with one picture and two reviews each; what buyers show is a little darker."""
    photos = []
    for number, card in enumerate(every_card()):
        colour, pattern = COLOURS[card.attributes["Colour"]], PATTERNS[card.attributes["Pattern"]]
        is_seen = number < N_SEEN
        for kind, light in (("gallery/0", 0), ("review/1/0", 40), ("review/2/0", 60)):
            shown = quarters(colour, colour, pattern, (light,) * 3)
            is_query = kind != "gallery/0"
            photos.append(
                CuratedPhoto(
                    f"{card.card_id}/{kind}", card.card_id, "review" if is_query else "gallery",
                    images.store(home.images, png(shown.resize((64 * side, 64 * side)))),
                    "train" if is_seen and not is_query else "test", is_seen,
                )
            )  # fmt: skip
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    write_table(home.curated / "cards.parquet", Card, every_card())
    save_report(home.catalog / "snapshot.json", Snapshot("folder", 12, 36, 24, {}, "d1"))


def make_home(folder: Path) -> Home:
    """With mean pooling of the colour tower as the candidate, and the text side of it."""
    made = Home(folder)
    write_home(made)
    cache_tokens(made, ColourTower(), tokens=TokensParams(views=1, form="bf16", pool=1, seed=7))
    made.tower.mkdir(parents=True)
    for name in (CONFIG, WEIGHTS):
        (made.tower / name).write_bytes(b"copied and hashed, never opened here")
    shape = HeadShape("mean", 8, 8, [8, 4])
    write_model(made.candidate, tower=made.tower, head=shape, lineage=Lineage("d1", 0))
    return made


def changes_of(cards: Sequence[Card]):
    return triplets_from_cards(cards, changed_most=2, targets_a_card=20, seed=7)


def held_out(home: Home) -> HeldOut:
    return read_held_out(home, STRENGTH, changes=changes_of(every_card()))
