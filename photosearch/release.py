"""The unit that goes live: one folder with model, index and card facts, and a pointer to it.

A release folder is written once, under a temporary name, and never changed afterwards; whoever
searches its index opens a private copy. The pointer is switched by one rename.

    releases/live                     the name of the live release
    releases/NAME/release.json        ids and what the folder was made of; written last
    releases/NAME/model/              the model artifact: see embedding/model.py
    releases/NAME/index/              the vectors of every curated photo
    releases/NAME/cards.parquet       curated cards
    releases/NAME/photos.parquet      the photos in the index
    releases/NAME/thumbnails.parquet  which thumbnail shows a card
    releases/NAME/thumbnails/         JPEG files named by content hash
"""

import json
from dataclasses import dataclass
from pathlib import Path

from photosearch.errors import BadArtifact, HomeNotReady
from photosearch.report import save_report, write_text

MANIFEST = "release.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    release: str
    model_id: str
    index_id: str
    data_version: str
    index_kind: str
    """`qdrant_edge`, or `qdrant_server`."""
    dim: int
    """Vector length in the index."""
    lengths: list[int]
    """Vector lengths the model makes, longest first."""
    n_photos: int
    n_cards: int
    created_at: str
    """UTC, ISO 8601."""
    recall_at_10_vs_exact: float
    """Measured when the index was built, before it could go live."""
    hits_per_query: int = 100
    """Photos fetched before they are collapsed into cards; from params.yaml when it was made."""


@dataclass(frozen=True, slots=True)
class Release:
    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    @property
    def cards(self) -> Path:
        return self.folder / "cards.parquet"

    @property
    def photos(self) -> Path:
        return self.folder / "photos.parquet"

    @property
    def thumbnail_table(self) -> Path:
        return self.folder / "thumbnails.parquet"

    @property
    def thumbnails(self) -> Path:
        return self.folder / "thumbnails"


def open_release(folder: Path) -> Release:
    """Reads a release folder.

    Raises:
        BadArtifact: The folder is incomplete: release.json is written last.
    """
    try:
        values = json.loads((folder / MANIFEST).read_text())
        return Release(folder, Manifest(**values))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} is not a whole release ({error}). Name another, or run `photosearch demo`."
        ) from None


def seal(folder: Path, manifest: Manifest) -> None:
    """Writes release.json, which makes the folder a release."""
    save_report(folder / MANIFEST, manifest)


def live_release(releases: Path) -> Release:
    """Opens the release that the pointer names; raises HomeNotReady if there is none yet."""
    try:
        name = (releases / "live").read_text().strip()
    except FileNotFoundError:
        raise HomeNotReady(
            f"{releases} has no live release yet. Run `photosearch demo` first."
        ) from None
    return open_release(releases / name)


def switch_live(releases: Path, name: str) -> None:
    """Points at another release, atomically."""
    open_release(releases / name)
    write_text(releases / "live", name + "\n")


def list_releases(releases: Path) -> list[Release]:
    """Whole releases, oldest first."""
    whole = [open_release(path.parent) for path in releases.glob(f"*/{MANIFEST}")]
    return sorted(whole, key=lambda release: (release.manifest.created_at, release.folder.name))
