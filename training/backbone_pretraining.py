"""Trains `photosearch-small` from nothing on a snapshot's photos and titles."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows
from photosearch.curation.snapshot import photos_for_tower
from photosearch.embedding.backbones import load_tokenizer, new_small_tower, save_weights
from photosearch.embedding.preprocess import Preprocessing, read_preprocessing
from photosearch.embedding.torch_device import autocast, choose_device
from photosearch.embedding.tower import tower_id
from photosearch.errors import EmptySource
from photosearch.home import Home
from photosearch.progress import track
from photosearch.settings import Params, PretrainingParams
from training.data import DecodedPhotos
from training.lightning_fit import fingerprint, fit
from training.title_module import TitleModule
from training.tokenizer import train_tokenizer
from training.tower_module import TowerModule

log = logging.getLogger(__name__)
VOCABULARY = 2048
"""As in photosearch_small.json."""
TITLE_BATCH, TITLE_STEPS = 256, 250


@dataclass(frozen=True, slots=True)
class TowerReport:
    tower_id: str
    photos: int
    groups: int


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
    side_px = math.ceil(max(pretraining.px_schedule) / math.sqrt(pretraining.crop_area_min))
    decoded = DecodedPhotos(
        home.images, shas, [group_of[photo.card_id] for photo in photos],
        side_px=side_px,  # so that the smallest crop has a pixel for each of the view's
    )  # fmt: skip
    resume = home.resume / f"tower-{fingerprint(shas, texts, pretraining, image_px)}"
    trunk, as_seen = model.visual.trunk, read_preprocessing(home.tower)
    _train_photos(trunk, decoded, pretraining, as_seen, resume / "photos")
    features = TensorDataset(_features(trunk, decoded, as_seen), decoded.groups)
    _train_titles(model, tokens, features, seed=pretraining.seed, resume=resume / "titles")
    save_weights(model, home.tower)
    shutil.rmtree(resume, ignore_errors=True)
    return TowerReport(tower_id(home.tower), len(photos), len(groups))


def _train_photos(
    trunk: Any,
    photos: DecodedPhotos,
    pretraining: PretrainingParams,
    as_seen: Preprocessing,
    resume: Path,
) -> None:
    module = TowerModule(
        trunk, int(photos.groups.max()) + 1, pretraining=pretraining, preprocessing=as_seen
    )
    loader = DataLoader(
        photos, pretraining.batch, shuffle=True, drop_last=True, collate_fn=lambda batch: batch,
        generator=torch.Generator().manual_seed(pretraining.seed),
    )  # fmt: skip
    epochs = max(1, round(pretraining.samples_seen / len(photos)))
    fit(module, loader, doing="training tower", epochs=epochs, resume=resume)


def _train_titles(
    model: Any, titles: Sequence[Tensor], photos: TensorDataset, *, seed: int, resume: Path
) -> None:
    batch = min(TITLE_BATCH, len(photos))
    drawn = RandomSampler(
        photos, replacement=True, num_samples=TITLE_STEPS * batch,
        generator=torch.Generator().manual_seed(seed),
    )  # fmt: skip
    module = TitleModule(model, titles, seed=seed)
    loader = DataLoader(photos, batch, sampler=drawn)
    fit(module, loader, doing="training titles", epochs=1, resume=resume)


@torch.no_grad()
def _features(trunk: Any, photos: DecodedPhotos, as_seen: Preprocessing) -> Tensor:
    """Pooled features of the whole photos, (n, width); they do not change any more."""
    trunk.eval()
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (as_seen.mean, as_seen.std))
    side = (as_seen.image_px, as_seen.image_px)
    made = []
    parts = torch.split(photos.pixels, TITLE_BATCH)
    for part in track(parts, f"photo features, batches of {TITLE_BATCH}", len(parts)):
        whole = F.interpolate(part.float() / 255, side, mode="bilinear", antialias=True)
        with autocast(choose_device()):
            made.append(trunk((whole - mean) / std).float())
    trunk.train()
    return torch.cat(made)


def _untrained(folder: Path, texts: Sequence[list[str]], image_px: int) -> tuple[Any, list[Tensor]]:
    """Builds tokenizer and model; returns the model and each group's titles as token rows."""
    shutil.rmtree(folder, ignore_errors=True)
    every_text = [text for of_group in texts for text in of_group]
    train_tokenizer(every_text, folder, vocab_size=VOCABULARY)
    model = new_small_tower(folder, image_px).to(memory_format=torch.channels_last)
    tokenizer = load_tokenizer(folder)
    return model, [tokenizer(of_group) for of_group in texts]
