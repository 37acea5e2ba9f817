"""A simulated shop as patch tokens of one model's tower: what late interaction is measured on.

Its pictures are those of simulated_shop.py: two of each card's own and one of a buyer's. Tokens are
kept, block by block, so that a second measurement starts at once.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated_shop import card_of, pictures_of

from photosearch.catalog.images import open_photo
from photosearch.catalog.schemas import Card
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.model import TOWER, read_model
from photosearch.progress import track
from simulator.pictures import render
from simulator.world import BLOCK, World


@dataclass(frozen=True, slots=True)
class TokenShop:
    cards: list[Card]
    tokens: NDArray[np.float16]
    """(n_cards, 3, n_tokens, width): the last picture is a buyer's."""


def token_shop(model: Path, *, seed: int, n_cards: int, kept: Path) -> TokenShop:
    """The shop of a seed as the tower of a model folder sees it; `n_cards` is a multiple of 20."""
    manifest = read_model(model)
    tower = OpenClipTower(model / TOWER, pool=manifest.head.pool)
    world, folder = World(seed, n_cards), kept / f"{tower.tower_id}-{tower.pool}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    blocks = range(0, n_cards, BLOCK)
    for start in track(blocks, f"drawing blocks of {BLOCK} cards", len(blocks)):
        made = folder / f"{start}.npy"
        if not made.is_file():
            partial = made.with_suffix(".partial.npy")
            np.save(partial, _seen(world, tower, range(start, start + BLOCK)))
            partial.rename(made)  # so that a killed run leaves only whole blocks
    tokens = np.concatenate([np.load(folder / f"{start}.npy") for start in blocks])
    return TokenShop([card_of(world, number) for number in range(n_cards)], tokens)


def _seen(world: World, tower: OpenClipTower, numbers: range) -> NDArray[np.float16]:
    pictures = [picture for number in numbers for picture in pictures_of(world, number)]
    photos = [open_photo(render(world, one), name=one.name) for one in pictures]
    tokens = tower.tokens(photos).astype(np.float16)
    return tokens.reshape(len(numbers), -1, *tokens.shape[1:])
