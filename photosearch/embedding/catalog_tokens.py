"""A head's tokens of a catalogue's photos: from cached patch tokens, else by the tower.

The same way as to their vectors: see catalog_vectors.py.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from photosearch.catalog.images import load
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.catalog_vectors import ROWS_A_BATCH, tokens_by
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.head import AttentionHead
from photosearch.embedding.model import TOWER, read_model
from photosearch.embedding.tokens import TokenCache
from photosearch.embedding.torch_device import choose_device
from photosearch.embedding.torch_runtime import load_head
from photosearch.errors import BadArtifact
from photosearch.home import Home

TokensOf = Callable[[Sequence[CuratedPhoto]], Vectors]
"""Gives a head's tokens of photos, (n_photos, n_tokens, width), not normalised."""


def catalog_tokens(home: Home, model: Path) -> TokensOf:
    """A head's tokens of curated photos; the tower runs on photos without cached tokens only.

    Args:
        home: Its token cache is used if the model's tower made it.
        model: A model folder.

    Returns:
        A function that opens all new photos it is given: give it some hundreds at a time.

    Raises:
        BadArtifact: The model has no attention head.
    """
    manifest, head = read_model(model), attention_head(model)
    cache = tokens_by(home, manifest)
    rows = [] if cache is None else cache.rows
    row_of = {row.sha256: number for number, row in enumerate(rows) if row.view == 0}

    def tokens_of(photos: Sequence[CuratedPhoto]) -> Vectors:
        cached = [place for place, photo in enumerate(photos) if photo.sha256 in row_of]
        new = [place for place, photo in enumerate(photos) if photo.sha256 not in row_of]
        parts = []
        if cache is not None and cached:
            numbers = [row_of[photos[place].sha256] for place in cached]
            parts.append(reduced_rows(head, cache, numbers))
        if new:
            tower = OpenClipTower(model / TOWER, pool=manifest.head.pool)
            opened = [load(home.images, photos[place].sha256) for place in new]
            parts.append(reduced(head, tower.tokens(opened)))
        return np.concatenate(parts)[np.argsort(cached + new)]

    return tokens_of


def attention_head(model: Path) -> AttentionHead:
    """The head of a model folder; raises BadArtifact if it has none with tokens."""
    manifest = read_model(model)
    head = load_head(model, manifest)
    if not isinstance(head, AttentionHead):
        raise BadArtifact(
            f"Model {manifest.model_id} pools its tokens by their mean: late interaction needs an "
            "attention head. Set late_interaction.tokens to `none` in params.yaml, or release a "
            "trained head."
        )
    return head


def reduced(head: AttentionHead, tokens: Vectors) -> Vectors:
    """What a head makes of patch tokens, (n, T, D) -> (n, n_tokens, width); in fp32."""
    with torch.inference_mode():
        few = head.reducer(torch.from_numpy(tokens).to(choose_device().name))
    made: Vectors = few.float().cpu().numpy()
    return made


def reduced_rows(head: AttentionHead, cache: TokenCache, rows: Sequence[int]) -> Vectors:
    """The same of rows of a token cache, a batch of patch tokens in memory at a time."""
    parts = [
        reduced(head, cache.read(rows[start : start + ROWS_A_BATCH]).float().numpy())
        for start in range(0, len(rows), ROWS_A_BATCH)
    ]
    return np.concatenate(parts)
