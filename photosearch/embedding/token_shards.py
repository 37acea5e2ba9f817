"""Shards of patch tokens: memory-mapped files that are written once; knows no photo and no tower.

shard-NNNNN.tokens   (n_rows, n_tokens, width), bfloat16 kept as uint16, or int8
shard-NNNNN.scales   int8 only: (n_rows, n_tokens) float32, what 127 stands for in each token
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from photosearch.embedding.embedder import Vectors

ROWS_A_SHARD = 4096
"""A shard of 49 bf16 tokens of 768 numbers takes 308 MB."""
Form = Literal["bf16", "int8"]
STORED: dict[str, Any] = {"bf16": np.uint16, "int8": np.int8}
BYTES_A_NUMBER = {"bf16": 2, "int8": 1}


@dataclass(frozen=True, slots=True)
class ShardShape:
    n_tokens: int
    width: int
    form: Form
    pool: int
    """Side of the squares of patches whose mean is a token; 1 keeps every patch."""

    @property
    def bytes_a_row(self) -> int:
        scales = 4 * self.n_tokens if self.form == "int8" else 0
        return self.n_tokens * self.width * BYTES_A_NUMBER[self.form] + scales


@dataclass(frozen=True, slots=True)
class Raw:
    """Tokens of some rows as they are stored."""

    tokens: NDArray[np.uint16] | NDArray[np.int8]
    """(n, n_tokens, width)"""
    scales: NDArray[np.float32] | None
    """(n, n_tokens); None for bf16."""

    def __getitem__(self, rows: Any) -> "Raw":
        return Raw(self.tokens[rows], None if self.scales is None else self.scales[rows])

    def __len__(self) -> int:
        return len(self.tokens)


def to_stored(tokens: Vectors, form: Form) -> Raw:
    """Rounds tokens, (n, n_tokens, width), to the form they are kept in."""
    if form == "bf16":
        return Raw(torch.from_numpy(tokens).bfloat16().view(torch.uint16).numpy(), None)
    scales = np.abs(tokens).max(axis=2)
    rounded = np.rint(tokens * (127 / np.maximum(scales, 1e-12))[..., None])
    return Raw(rounded.astype(np.int8), scales.astype(np.float32))


def from_stored(raw: Raw) -> torch.Tensor:
    """Tokens to compute with, (n, n_tokens, width) bfloat16."""
    stored = torch.from_numpy(raw.tokens)
    if raw.scales is None:
        return stored.view(torch.bfloat16)
    return (stored.float() * torch.from_numpy(raw.scales / 127)[..., None]).bfloat16()


class ShardWriter:
    """Appends rows to new shards of a folder, `ROWS_A_SHARD` in each."""

    def __init__(self, folder: Path, shape: ShardShape, *, first: int) -> None:
        """Args: `first` is the number of the first new shard."""
        self._folder, self._shape, self._shard = folder, shape, first
        self._held: list[Raw] = []
        self._n_held = 0

    def append(self, raw: Raw) -> list[tuple[int, int]]:
        """Returns shard and place of each row; the rows are on disk after `close`."""
        places = []
        while len(raw):
            part, raw = raw[: ROWS_A_SHARD - self._n_held], raw[ROWS_A_SHARD - self._n_held :]
            places += [(self._shard, self._n_held + n) for n in range(len(part))]
            self._held.append(part)
            self._n_held += len(part)
            if self._n_held == ROWS_A_SHARD:
                self.close()
        return places

    def close(self) -> None:
        """Writes what is held."""
        if not self._held:
            return
        with _tokens_file(self._folder, self._shard).open("wb") as file:
            for part in self._held:
                np.ascontiguousarray(part.tokens).tofile(file)
        if self._shape.form == "int8":
            with _scales_file(self._folder, self._shard).open("wb") as file:
                for part in self._held:
                    np.ascontiguousarray(part.scales).tofile(file)
        self._shard, self._held, self._n_held = self._shard + 1, [], 0


@dataclass(slots=True)
class ShardReader:
    """Reads rows by shard and place; each shard is mapped when it is first read."""

    folder: Path
    shape: ShardShape
    _mapped: dict[int, Raw] = field(default_factory=dict)

    def read(self, shards: Sequence[int], places: Sequence[int]) -> Raw:
        """The rows in the order asked for, from any number of shards."""
        by_shard, at = np.asarray(shards), np.asarray(places)
        n, shape = len(by_shard), self.shape
        tokens = np.empty((n, shape.n_tokens, shape.width), STORED[shape.form])
        scales = np.empty((n, shape.n_tokens), np.float32) if shape.form == "int8" else None
        for shard in np.unique(by_shard).tolist():
            rows = by_shard == shard
            mapped = self.rows_of(shard)
            tokens[rows] = mapped.tokens[at[rows]]
            if scales is not None and mapped.scales is not None:
                scales[rows] = mapped.scales[at[rows]]
        return Raw(tokens, scales)

    def rows_of(self, shard: int) -> Raw:
        """A whole shard, mapped, not read.

        Raises:
            OSError, ValueError: It is not there, or was cut short.
        """
        if shard not in self._mapped:
            shape = self.shape
            tokens = np.memmap(_tokens_file(self.folder, shard), STORED[shape.form], "r")
            scales: NDArray[np.float32] | None = None
            if shape.form == "int8":
                stored = np.memmap(_scales_file(self.folder, shard), np.float32, "r")
                scales = stored.reshape(-1, shape.n_tokens)
            self._mapped[shard] = Raw(tokens.reshape(-1, shape.n_tokens, shape.width), scales)
        return self._mapped[shard]


def keep_shard(shard: int, source: Path, folder: Path) -> None:
    """Brings a shard into another folder of the same disk without copying it, where that goes."""
    for file in (_tokens_file(source, shard), _scales_file(source, shard)):
        if not file.exists():
            continue
        try:
            os.link(file.resolve(), folder / file.name)
        except OSError:  # another disk, or one without hard links
            shutil.copyfile(file, folder / file.name)


def _tokens_file(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.tokens"


def _scales_file(folder: Path, shard: int) -> Path:
    return folder / f"shard-{shard:05d}.scales"
