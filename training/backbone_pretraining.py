"""Trains `photosearch-small` from nothing on a snapshot's photos and titles."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.data import DataLoader

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows
from photosearch.curation.snapshot import photos_for_tower
from photosearch.embedding.backbones import load_tokenizer, new_small_tower, save_weights
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.embedding.tower import tower_id
from photosearch.errors import EmptySource
from photosearch.home import Home
from photosearch.settings import Params
from training.data import DecodedPhotos
from training.lightning_fit import fingerprint, fit
from training.tokenizer import train_tokenizer
from training.tower_module import TowerModule

log = logging.getLogger(__name__)
VOCABULARY, EMBED_DIM = 2048, 256
"""As in photosearch_small.json."""


@dataclass(frozen=True, slots=True)
class TowerReport:
    tower_id: str
    photos: int
    groups: int
    epochs: int


def pretrain(home: Home, params: Params) -> TowerReport:
    """The stage `tower` of our own tower: trains it on the snapshot and writes the tower folder.

    Only photos that curation would take into training are shown: no query, and no near duplicate
    of one.

    Args:
        home: Reads the catalogue, writes `home.tower`.
        params: `pretraining` says how, `tower.image_px` how large, `curation` what is a query.

    Raises:
        EmptySource: Fewer than two product groups have photos.
    """
    pretraining, image_px = params.pretraining, params.tower.image_px
    cards = read_rows(home.catalog / "cards.parquet", Card)
    photos = photos_for_tower(home, params.curation)
    groups = sorted({card.group_id for card in cards})
    if len(groups) < 2:
        raise EmptySource(
            f"{len(groups)} product groups are too few to train a tower. Pull more cards."
        )
    number = {group: n for n, group in enumerate(groups)}
    group_of = {card.card_id: number[card.group_id] for card in cards}
    texts: list[list[str]] = [[] for _ in groups]
    for card in cards:
        texts[group_of[card.card_id]] += [t for t in (card.title, card.title_ru) if t]
    torch.manual_seed(pretraining.seed)
    model, tokens = _untrained(home.tower, texts, image_px)
    shas = [photo.sha256 for photo in photos]
    decoded = DecodedPhotos(
        home.images,
        shas,
        [group_of[photo.card_id] for photo in photos],
        side_px=image_px,  # larger ones would be sampled without smoothing, unlike in search
    )
    epochs = max(1, round(pretraining.samples_seen / len(decoded)))
    module = TowerModule(
        model,
        tokens,
        embed_dim=EMBED_DIM,
        pretraining=pretraining,
        preprocessing=read_preprocessing(home.tower),
    )
    loader = DataLoader(
        decoded, pretraining.batch, shuffle=True, drop_last=True, collate_fn=lambda batch: batch,
        generator=torch.Generator().manual_seed(pretraining.seed),
    )  # fmt: skip
    resume = home.resume / f"tower-{fingerprint(shas, texts, pretraining, image_px)}"
    fit(module, loader, doing="training tower", epochs=epochs, resume=resume)
    save_weights(model, home.tower)
    shutil.rmtree(resume, ignore_errors=True)
    return TowerReport(tower_id(home.tower), len(photos), len(groups), epochs)


def _untrained(
    folder: Path, texts: Sequence[list[str]], image_px: int
) -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """Builds tokenizer and model; returns the model and each group's titles as token rows."""
    shutil.rmtree(folder, ignore_errors=True)
    every_text = [text for of_group in texts for text in of_group]
    train_tokenizer(every_text, folder, vocab_size=VOCABULARY)
    model = new_small_tower(folder, image_px).to(memory_format=torch.channels_last)
    tokenizer = load_tokenizer(folder)
    return model, [tokenizer(of_group) for of_group in texts]
