"""A simulated shop as vectors of one model: what the measurements of the text side start from.

Its pictures are drawn here and kept nowhere: two of each card's own and one of a buyer's, all of
the product. Vectors are kept, block by block, so that a second measurement starts at once.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from photosearch.catalog.images import open_photo
from photosearch.catalog.schemas import Card
from photosearch.embedding.embedder import Embedder, Vectors
from photosearch.embedding.model import read_model
from photosearch.progress import track
from simulator.photos import Picture, gallery, review_photos
from simulator.pictures import render
from simulator.world import BLOCK, World, card_page

PICTURES = 3
"""A card: two of its gallery, then a buyer's."""


@dataclass(frozen=True, slots=True)
class Shop:
    cards: list[Card]
    vectors: Vectors
    """(n_cards, PICTURES, dim)."""

    @property
    def groups(self) -> NDArray[np.str_]:
        return np.array([card.group_id for card in self.cards])


def simulated_shop(model: Path, *, seed: int, n_cards: int, kept: Path) -> Shop:
    """The shop of a seed as a model folder sees it; `n_cards` is a multiple of 20."""
    world, folder = World(seed, n_cards), kept / f"{read_model(model).model_id}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    blocks = range(0, n_cards, BLOCK)
    missing = [start for start in blocks if not (folder / f"{start}.npy").is_file()]
    if missing:
        from photosearch.assembly import load_embedder

        embedder = load_embedder(model)
    for start in track(missing, f"drawing and embedding blocks of {BLOCK} cards", len(missing)):
        partial = folder / f"{start}.partial.npy"
        np.save(partial, _embedded(world, embedder, range(start, start + BLOCK)))
        partial.rename(folder / f"{start}.npy")  # so that a killed run leaves only whole blocks
    vectors = np.concatenate([np.load(folder / f"{start}.npy") for start in blocks])
    return Shop([card_of(world, number) for number in range(n_cards)], vectors)


def card_of(world: World, number: int) -> Card:
    """A card as a pull would have it."""
    page = card_page(world, number)
    known = {name: page[name] for name in Card.__slots__ if name in page}
    return Card(**known)  # type: ignore[arg-type]


def _embedded(world: World, embedder: Embedder, numbers: range) -> Vectors:
    pictures = [picture for number in numbers for picture in pictures_of(world, number)]
    photos = [open_photo(render(world, one), name=one.name) for one in pictures]
    return embedder.embed(photos).reshape(len(numbers), PICTURES, -1)


def pictures_of(world: World, number: int) -> list[Picture]:
    """Two of the gallery (only its last may be something else) and a buyer's good photo."""
    buyers = [photo for photo in review_photos(world, number) if photo.nature == "product"]
    return [*gallery(world, number)[:2], buyers[0] if buyers else gallery(world, number)[1]]
