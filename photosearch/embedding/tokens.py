"""Cache of patch tokens: one pass of the tower over a photo, then training never runs it again.

rows.parquet    which photo and view each row is, and where its tokens lie
shard-*         the tokens: see token_shards.py
tokens.json     shape, tower and how views are drawn; written last

A later pass runs the tower on new photos only; shards that still serve are kept as they are.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from photosearch.catalog.images import Box, crop, load
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.augment import Strength, random_views
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.token_shards import (
    Form,
    ShardReader,
    ShardShape,
    ShardWriter,
    from_stored,
    keep_shard,
    to_stored,
)
from photosearch.embedding.tower import Tower
from photosearch.errors import BadArtifact
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.progress import track
from photosearch.report import save_report

PHOTOS_A_BATCH = 64
STRENGTH = Strength(area_min=0.3)
BOXED = Strength(area_min=1.0)
"""A box is a crop already."""
STORED_PX = 1.25
"""Augmented views are cut from photos this much larger than the tower's square."""
ROWS_A_COPY = 1024
WORTH_KEEPING = 0.5
"""A shard that serves a smaller share of its rows is given up, and these rows are copied."""

Key = tuple[str, int]
"""A photo's content and the number of a view: what tokens depend on, for one tower."""
Place = tuple[int, int]
"""Shard and row in it."""


@dataclass(frozen=True, slots=True)
class BoxedViews:
    """Where boxed views are cut."""

    told: str
    """All that the boxes depend on but the photo: tokens are kept as long as it stays."""
    draw: Callable[[Image.Image, int], list[Box]]
    """A photo and a seed -> the boxes, in its pixels: less than `views`, none where it shows
    nothing."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    photo_id: str
    card_id: str
    split: str
    view: int
    """0 is the photo as it is; the others are random views."""
    sha256: str
    shard: int
    place: int


@dataclass(frozen=True, slots=True)
class TokensReport:
    tower_id: str
    """Hash of weights and preprocessing."""
    rows: int
    photos: int
    n_tokens: int
    width: int
    form: Form
    pool: int
    bytes_a_row: int
    views_drawn: str
    """How views differ from photos: another seed or strength makes other views."""
    photos_run: int
    """Photos that the tower had to see; the others' tokens were there already."""


@dataclass(frozen=True, slots=True)
class TokenCache:
    rows: list[TokenRow]
    tower_id: str
    shape: ShardShape
    reader: ShardReader

    def read(self, rows: Sequence[int]) -> torch.Tensor:
        """Tokens of these row numbers, (n, n_tokens, width) bfloat16."""
        chosen = [self.rows[row] for row in rows]
        shards, places = [row.shard for row in chosen], [row.place for row in chosen]
        return from_stored(self.reader.read(shards, places))


def cache_tokens(
    home: Home, tower: Tower, *, tokens: TokensParams, boxed: BoxedViews | None = None
) -> TokensReport:
    """The stage `tokens`: runs the tower over new curated photos, and over views of training ones.

    Args:
        home: Reads curated photos, writes `home.tokens`; a killed run leaves the old folder.
        tower: Gives the tokens.
        tokens: See params.yaml.
        boxed: Cuts the last views out by boxes; None cuts all of them at random.
    """
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    partial = home.tokens.with_name(f".{home.tokens.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shape = ShardShape(tower.n_tokens, tower.width, tokens.form, tower.pool)
    views_drawn = f"seed {tokens.seed}, from {STORED_PX} of the square, {asdict(STRENGTH)}"
    if boxed is not None:
        views_drawn += f"; boxed: {asdict(BOXED)}, {boxed.told}"
    wanted = {key: photo for photo in photos for key in _keys(photo, tokens.views)}
    old = _same_tower(home.tokens, tower.tower_id, shape, views_drawn)
    places, writer = _reused(old, wanted.keys(), partial, shape)
    unseen = list({p.sha256: p for key, p in wanted.items() if key not in places}.values())
    for batch in track(_batches(unseen), "tokens of photos", -(-len(unseen) // PHOTOS_A_BATCH)):
        keys = [key for photo in batch for key in _keys(photo, tokens.views)]
        views = (
            view
            for photo in batch
            for view in _views(photo, home.images, tower.image_px, tokens, boxed)
        )
        seen = tower.tokens(list(views))
        places |= dict(zip(keys, writer.append(to_stored(seen, tokens.form)), strict=True))
    writer.close()
    rows = [
        TokenRow(photo.photo_id, photo.card_id, photo.split, key[1], key[0], *places[key])
        for photo in photos
        for key in _keys(photo, tokens.views)
    ]
    write_table(partial / "rows.parquet", TokenRow, rows)
    report = TokensReport(
        tower.tower_id, len(rows), len(photos), shape.n_tokens, shape.width, shape.form, shape.pool,
        shape.bytes_a_row, views_drawn, photos_run=len(unseen),
    )  # fmt: skip
    save_report(partial / "tokens.json", report)
    shutil.rmtree(home.tokens, ignore_errors=True)
    partial.rename(home.tokens)
    return report


def open_tokens(folder: Path) -> TokenCache:
    """Maps a cache into memory; raises BadArtifact if it is incomplete."""
    try:
        facts = TokensReport(**json.loads((folder / "tokens.json").read_text()))
        rows = read_rows(folder / "rows.parquet", TokenRow)
        shape = ShardShape(facts.n_tokens, facts.width, facts.form, facts.pool)
        reader = ShardReader(folder, shape)
        for shard in sorted({row.shard for row in rows}):
            highest = max(row.place for row in rows if row.shard == shard)
            if highest >= len(reader.rows_of(shard)):
                raise ValueError(f"shard {shard} ends before row {highest}")
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} is not a whole token cache ({error}). Run `photosearch tokens`."
        ) from None
    return TokenCache(rows, facts.tower_id, shape, reader)


def _same_tower(
    folder: Path, tower_id: str, shape: ShardShape, views_drawn: str
) -> TokenCache | None:
    """The cache of before, if its tokens are those that this run would make."""
    try:
        cache = open_tokens(folder)
        facts = json.loads((folder / "tokens.json").read_text())
    except BadArtifact:
        return None
    is_same = (cache.tower_id, cache.shape) == (tower_id, shape)
    return cache if is_same and facts["views_drawn"] == views_drawn else None


def _reused(
    old: TokenCache | None, wanted: Set[Key], folder: Path, shape: ShardShape
) -> tuple[dict[Key, Place], ShardWriter]:
    """Where tokens of before lie in the new folder, and a writer for what comes after them."""
    if old is None:
        return {}, ShardWriter(folder, shape, first=0)
    serving: dict[int, dict[Key, Place]] = defaultdict(dict)
    for row in old.rows:
        if (key := (row.sha256, row.view)) in wanted:
            serving[row.shard][key] = (row.shard, row.place)
    places: dict[Key, Place] = {}
    for shard, of_it in serving.items():
        if len(of_it) >= WORTH_KEEPING * len(old.reader.rows_of(shard)):
            keep_shard(shard, old.reader.folder, folder)
            places |= of_it
    first_free = 1 + max((row.shard for row in old.rows), default=-1)
    writer = ShardWriter(folder, shape, first=first_free)
    return places | _copied(old, wanted - places.keys(), writer), writer


def _copied(old: TokenCache, wanted: Set[Key], writer: ShardWriter) -> dict[Key, Place]:
    """Copies rows out of shards that are given up."""
    rows = {(row.sha256, row.view): row for row in old.rows}
    keys = [key for key in rows if key in wanted]
    places: dict[Key, Place] = {}
    for start in range(0, len(keys), ROWS_A_COPY):
        part = [rows[key] for key in keys[start : start + ROWS_A_COPY]]
        raw = old.reader.read([row.shard for row in part], [row.place for row in part])
        places |= dict(zip(keys[start : start + ROWS_A_COPY], writer.append(raw), strict=True))
    return places


def _keys(photo: CuratedPhoto, views: int) -> list[Key]:
    return [(photo.sha256, view) for view in range(views if photo.split == "train" else 1)]


def _batches(photos: Sequence[CuratedPhoto]) -> Iterator[Sequence[CuratedPhoto]]:
    for start in range(0, len(photos), PHOTOS_A_BATCH):
        yield photos[start : start + PHOTOS_A_BATCH]


def _views(
    photo: CuratedPhoto,
    images: Path,
    image_px: int,
    tokens: TokensParams,
    boxed: BoxedViews | None,
) -> Iterator[Image.Image]:
    """The photo, then its random views, the boxed ones last; all hang on photo and seed alone."""
    large_px = round(image_px * STORED_PX)
    opened = load(images, photo.sha256, draft_px=large_px)
    yield opened
    if photo.split != "train" or tokens.views == 1:
        return
    seed = tokens.seed ^ int(photo.sha256[:12], 16)
    boxes = boxed.draw(opened, seed) if boxed else []
    n_whole = tokens.views - 1 - len(boxes)
    if n_whole:
        yield from _augmented([opened] * n_whole, image_px, STRENGTH, seed)
    if boxes:
        yield from _augmented([crop(opened, box) for box in boxes], image_px, BOXED, seed + 1)


def _augmented(
    sources: Sequence[Image.Image], image_px: int, strength: Strength, seed: int
) -> Iterator[Image.Image]:
    """A random view of each picture."""
    size = (round(image_px * STORED_PX),) * 2
    resized = [np.array(source.resize(size, Image.Resampling.BICUBIC)) for source in sources]
    pixels = torch.from_numpy(np.stack(resized)).permute(0, 3, 1, 2)
    drawn = random_views(pixels, image_px, strength=strength, seed=seed)
    for view in (drawn * 255).round().byte().permute(0, 2, 3, 1).numpy():
        yield Image.fromarray(view)


def pool_view(
    cache: TokenCache, view: int, pool: Callable[[Vectors], Vectors], *, rows_a_batch: int = 1024
) -> tuple[list[TokenRow], Vectors]:
    """Vectors of one view of every photo: a new head re-embeds a catalogue without the tower."""
    chosen = [number for number, row in enumerate(cache.rows) if row.view == view]
    parts = [
        pool(cache.read(chosen[start : start + rows_a_batch]).float().numpy())
        for start in range(0, len(chosen), rows_a_batch)
    ]
    return [cache.rows[number] for number in chosen], np.concatenate(parts)
