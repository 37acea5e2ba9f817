"""The unit that goes live: one folder with model, index and card facts, and a pointer to it.

A release folder is written once, under a temporary name, and never changed afterwards; whoever
searches its index opens a private copy. Two folders may share files, as links. The pointer is
switched by one rename.

    releases/lock                     locked by whoever makes or switches releases, and names it
    releases/live                     the name of the live release
    releases/switches.jsonl           what was live before, and why somebody rolled back
    releases/NAME/release.json        ids and what the folder was made of; written last
    releases/NAME/MODEL_CARD.md       what the model is made of and how good it is; also .json
    releases/NAME/calibration.json    from score to probability; absent where nothing can be asked
    releases/NAME/model/              the model artifact: see embedding/model.py
    releases/NAME/graph/              the model for serving without torch: see embedding/graph.py
    releases/NAME/index/              the vectors of every curated photo
    releases/NAME/PART                what searches need beside: see assembly_parts.py
    releases/NAME/cards.parquet       curated cards
    releases/NAME/photos.parquet      the photos in the index
    releases/NAME/canaries.parquet    known photos with vectors that the next index must find
    releases/NAME/thumbnails.parquet  which thumbnail shows a card
    releases/NAME/thumbnails/         JPEG files named by content hash
"""

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from photosearch.errors import BadArtifact, BadParams, HomeNotReady
from photosearch.report import save_report, write_text

MANIFEST = "release.json"
SWITCHES = "switches.jsonl"


CARDS, PHOTOS, THUMBNAILS = "cards.parquet", "photos.parquet", "thumbnails.parquet"
TEXT, TAGS, RANKER = "text", "tags", "ranker"


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
    abstain_precision: float | None = None
    """Precision its abstain threshold was chosen for; None: made before there was calibration."""
    has_graph: bool = False
    """False: made before services ran graphs, so none can serve it."""
    parts: dict[str, str] = field(default_factory=dict)
    """What it carries beside them, and an id of what that was made of: see release_recipe.py."""
    calibrated_by: str = "cosine"
    """What its probabilities are of: `score`, after the ranker; `cosine` in releases of before."""


@dataclass(frozen=True, slots=True)
class Release:
    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def graph(self) -> Path:
        return self.folder / "graph"

    @property
    def index(self) -> Path:
        return self.folder / "index"

    @property
    def cards(self) -> Path:
        return self.folder / CARDS

    @property
    def photos(self) -> Path:
        return self.folder / PHOTOS

    @property
    def text(self) -> Path:
        """Words of its cards; absent in releases of before."""
        return self.folder / TEXT

    @property
    def tags(self) -> Path:
        """Absent where no tags were made."""
        return self.folder / TAGS

    @property
    def ranker(self) -> Path:
        """Absent where none was trained, or none was better."""
        return self.folder / RANKER

    @property
    def thumbnail_table(self) -> Path:
        return self.folder / THUMBNAILS

    @property
    def calibration(self) -> Path:
        return self.folder / "calibration.json"

    @property
    def model_card(self) -> Path:
        return self.folder / "model_card.json"

    @property
    def thumbnails(self) -> Path:
        return self.folder / "thumbnails"


@dataclass(frozen=True, slots=True)
class Switch:
    """One change of what is live."""

    at: str
    """UTC, ISO 8601."""
    release: str
    model_id: str
    before: str | None
    """What was live until then; None the first time."""
    model_id_before: str | None
    rolled_back_because: str | None
    """None: a release went live; else somebody rolled back, and why (may be empty)."""


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


def graph_of(release: Release) -> Path:
    """The folder of a release's graph; raises BadArtifact if it was made before there were any."""
    if not release.manifest.has_graph:
        raise BadArtifact(
            f"Release {release.manifest.release} has no graph to serve with: it was made before "
            "services ran without torch. Run `photosearch index`: it makes a release of the live "
            "model over the same photos, with a graph, and switches to it."
        )
    return release.graph


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


def switch_live(releases: Path, name: str, *, rolled_back_because: str | None = None) -> None:
    """Points at another release, atomically, and keeps what was live before.

    Args:
        releases: The folder of all releases.
        name: A whole release; if it is live already, nothing changes.
        rolled_back_because: None, or why what is live must not come back by itself.
    """
    target = open_release(releases / name).manifest
    before = live_release(releases).manifest if (releases / "live").exists() else None
    if before is not None and before.release == name:
        return
    switch = Switch(
        at=datetime.now(UTC).isoformat(),
        release=name,
        model_id=target.model_id,
        before=before.release if before else None,
        model_id_before=before.model_id if before else None,
        rolled_back_because=rolled_back_because,
    )
    lines = [json.dumps(dataclasses.asdict(row)) for row in [*read_switches(releases), switch]]
    write_text(releases / SWITCHES, "\n".join(lines) + "\n")  # first: a lost one cannot be undone
    write_text(releases / "live", name + "\n")


def roll_back(releases: Path, *, to: str | None, because: str) -> Release:
    """Makes an earlier release live again; its model, index and card facts come back together.

    Args:
        releases: The folder of all releases.
        to: A release; None takes the one that was live before this one.
        because: Why; may be empty.

    Raises:
        HomeNotReady: Nothing is live, or nothing was before.
        BadArtifact: There is no such release.
        BadParams: `to` is live already.
    """
    live = live_release(releases).manifest.release
    if to == live:
        raise BadParams(f"{to} is live already. Name another release, or leave --to out.")
    name = to or _live_before(releases, live)
    switch_live(releases, name, rolled_back_because=because)
    return open_release(releases / name)


def read_switches(releases: Path) -> list[Switch]:
    """All switches, oldest first; none in a home of before they were kept."""
    path = releases / SWITCHES
    if not path.exists():
        return []
    return [Switch(**json.loads(line)) for line in path.read_text().splitlines()]


def models_of(releases: Path) -> dict[str, str]:
    """The model of each release that was ever live, or lies there."""
    lie_there = [release.manifest for release in list_releases(releases)]
    return {
        **{switch.release: switch.model_id for switch in read_switches(releases)},
        **{manifest.release: manifest.model_id for manifest in lie_there},
    }


def withdrawal_of(releases: Path, model_id: str) -> Switch | None:
    """The switch that rolled back from this model to another, if it was not released since."""
    withdrawal = None
    for switch in read_switches(releases):
        is_from_it = model_id == switch.model_id_before != switch.model_id
        if switch.rolled_back_because is not None and is_from_it:
            withdrawal = switch
        elif switch.model_id == model_id:
            withdrawal = None
    return withdrawal


def withdrawn_releases(releases: Path) -> dict[str, Switch]:
    """By name, the switch that rolled back from a release, if it did not go live again since."""
    withdrawn = {}
    for switch in read_switches(releases):
        if switch.rolled_back_because is not None and switch.before is not None:
            withdrawn[switch.before] = switch
        # nothing goes back to a withdrawn one by itself: whoever switches to it means it
        withdrawn.pop(switch.release, None)
    return withdrawn


def _live_before(releases: Path, live: str) -> str:
    """What was live before `live` went live by itself, and is not withdrawn."""
    switches, withdrawn = read_switches(releases), withdrawn_releases(releases)
    before_of = {s.release: s.before for s in switches if s.rolled_back_because is None}
    passed, name = {live}, before_of.get(live)
    while name is not None and name not in passed:
        if name not in withdrawn and (releases / name / MANIFEST).exists():
            return name
        passed.add(name)
        name = before_of.get(name)
    others = [r.manifest.release for r in list_releases(releases) if r.manifest.release != live]
    raise HomeNotReady(
        f"{releases} does not say what was live before {live}. "
        + (f"Name one with --to: {', '.join(others)}." if others else "There is no other release.")
    )


def list_releases(releases: Path) -> list[Release]:
    """Whole releases, oldest first."""
    sealed = (path.parent for path in releases.glob(f"*/{MANIFEST}"))
    # a name with a dot: killed between its seal and its final name
    whole = [open_release(folder) for folder in sealed if not folder.name.startswith(".")]
    return sorted(whole, key=lambda release: (release.manifest.created_at, release.folder.name))
