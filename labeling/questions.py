"""Turns candidate pairs into questions and puts their photos where people see them.

Knows nothing of who answers; `Annotators` is what it takes to be asked.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from photosearch.catalog.images import path_of
from photosearch.catalog.schemas import Pair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import BadData, UnreadablePhoto

Task = dict[str, Any]
"""A question, and later its answers, in Label Studio's JSON format: `data` and `annotations`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair that was put to somebody."""

    pair_id: str
    project: str
    """As in `Label.project`: asked of simulated annotators is not yet asked of people."""
    asked_at: str
    """UTC, ISO 8601."""


class Annotators(Protocol):
    """Whoever answers questions: people in Label Studio, or simulated ones."""

    @property
    def project(self) -> str:
        """Where the answers come from."""

    def image_address(self, sha256: str) -> str:
        """Where the annotators find a photo."""

    def show(self, images_dir: Path, sha256s: Iterable[str]) -> None:
        """Makes photos of the content-addressed folder reachable at `image_address`."""

    def already_asked(self, pair_ids: Iterable[str]) -> set[str]:
        """Those of `pair_ids` that need no asking."""

    def ask(self, questions: list[Task]) -> None:
        """Puts new questions."""

    def answered(self, since: datetime | None) -> Iterator[Task]:
        """Questions with all their answers, at least those that changed after `since`."""


def questions_for(
    pairs: Iterable[Pair], *, groups: Mapping[str, str], image_address: Callable[[str], str]
) -> list[Task]:
    """Makes one question a pair; a repeated pair is asked once.

    The annotator sees two photos and nothing else: no title, no cosine, which would be a hint.

    Args:
        pairs: What to ask.
        groups: Group of each card; cards of one group are the same product.
        image_address: Gives the address of a photo from its content hash.

    Raises:
        BadData: A pair names a card that `groups` lacks.
    """
    questions = {}
    for pair in pairs:
        for card in (pair.card_a, pair.card_b):
            if card not in groups:
                raise BadData(
                    f"Pair {pair.pair_id} names card {card!r}, which is not among the "
                    f"{len(groups)} cards. The tables are of different runs: run `dvc repro`."
                )
        questions[pair.pair_id] = {
            "data": {
                "pair_key": pair.pair_id,
                "photo_a": image_address(pair.sha256_a),
                "photo_b": image_address(pair.sha256_b),
                "photo_id_a": pair.photo_a,
                "photo_id_b": pair.photo_b,
                "card_a": pair.card_a,
                "card_b": pair.card_b,
                "group_a": groups[pair.card_a],
                "group_b": groups[pair.card_b],
                "kind": pair.kind,
                "cosine": pair.cosine,
            }
        }
    return list(questions.values())


def file_name_of(sha256: str) -> str:
    """Name under which a photo is published.

    Always `.jpg`: a server names the content type by it, and browsers show a PNG or WebP so named.
    """
    return f"{sha256}.jpg"


def publish_images(images_dir: Path, folder: Path, *, sha256s: Iterable[str]) -> int:
    """Puts photos into a folder that a server may read; only those that are not there yet.

    Returns:
        The number of photos added.

    Raises:
        UnreadablePhoto: A photo is not in `images_dir`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        sha256 for sha256 in sorted(set(sha256s)) if not (folder / file_name_of(sha256)).exists()
    ]
    for sha256 in missing:
        source = path_of(images_dir, sha256)
        if not source.exists():
            raise UnreadablePhoto(f"{source} is gone. Pull again, or run `dvc checkout`.")
        _link_or_copy(source, folder / file_name_of(sha256))
    return len(missing)


def _link_or_copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        # Resolved, because DVC may have checked the photo out as a symbolic link.
        partial.hardlink_to(source.resolve())
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, partial)  # without the mode: DVC makes its files read-only
    partial.replace(target)
    # Renaming one hard link onto another of the same file leaves both.
    partial.unlink(missing_ok=True)


def read_asked(path: Path) -> list[Asked]:
    """Reads what was asked; nothing if nobody was asked yet."""
    return read_rows(path, Asked) if path.exists() else []


def record_asked(path: Path, pair_ids: Iterable[str], *, project: str, asked_at: str) -> None:
    """Adds pairs to the record, atomically; a pair keeps the time when it was first asked."""
    before = {(row.pair_id, row.project): row for row in read_asked(path)}
    new = {(pair_id, project): Asked(pair_id, project, asked_at) for pair_id in pair_ids}
    after = new | before
    if len(after) > len(before):
        write_table(path, Asked, [after[key] for key in sorted(after)])
