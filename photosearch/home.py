"""Where everything lies in a home folder; knows no file's content.

A home is the working folder of one marketplace: a git and DVC repository of its own, so that every
snapshot and every build of it has a version, while the product's repository stays clean.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    root: Path

    # What the world told us: tracked by data.dvc, never computed.
    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def images(self) -> Path:
        return self.data / "images"

    @property
    def catalog(self) -> Path:
        """cards.parquet, photos.parquet, reviews.parquet, rejected.parquet, snapshot.json."""
        return self.data / "catalog"

    @property
    def labels(self) -> Path:
        return self.data / "labels" / "labels.parquet"

    @property
    def boxes(self) -> Path:
        """What people drew round products; absent where nobody did."""
        return self.labels.with_name("boxes.parquet")

    @property
    def impressions(self) -> Path:
        """What answers showed to shoppers and what they clicked; absent where nobody was asked."""
        return self.data / "events" / "impressions.parquet"

    @property
    def event_log(self) -> Path:
        """What shoppers did and were shown, as the service keeps it: no version, always growing."""
        return self.impressions.with_name("events.sqlite")

    @property
    def clicked_pairs(self) -> Path:
        """Photos that the same shoppers clicked or did not; absent like impressions."""
        return self.impressions.with_name("clicked_pairs.parquet")

    @property
    def weak_pairs(self) -> Path:
        """Pairs of which clicks say enough; empty where nobody clicked, for DVC wants a file."""
        return self.impressions.with_name("weak_pairs.parquet")

    @property
    def relevance(self) -> Path:
        """Grades of 0 to 5 that people gave; absent where nobody did."""
        return self.labels.with_name("relevance.jsonl")

    # What we computed from it: every file comes back with `dvc repro`.
    @property
    def build(self) -> Path:
        return self.root / "build"

    @property
    def tower(self) -> Path:
        """open_clip_config.json and open_clip_model.safetensors of the tower in use."""
        return self.build / "tower"

    @property
    def curated(self) -> Path:
        """cards.parquet and photos.parquet."""
        return self.build / "curated"

    @property
    def rejected(self) -> Path:
        return self.build / "rejected.parquet"

    @property
    def pairs(self) -> Path:
        return self.build / "pairs.parquet"

    @property
    def tags(self) -> Path:
        """tags.parquet, carried.parquet and dropped.parquet."""
        return self.build / "tags"

    @property
    def data_docs(self) -> Path:
        return self.build / "data_docs"

    @property
    def tokens(self) -> Path:
        return self.build / "tokens"

    @property
    def candidate(self) -> Path:
        """The model artifact that training made last."""
        return self.build / "candidate"

    @property
    def text(self) -> Path:
        """Aligner and refiner of the candidate."""
        return self.build / "text"

    @property
    def late(self) -> Path:
        """How the candidate's tokens are shortened; absent where `photosearch late` never ran."""
        return self.build / "late"

    @property
    def ranker(self) -> Path:
        """What `photosearch ranker` trained last."""
        return self.build / "ranker"

    @property
    def ranker_work(self) -> Path:
        """Where it is trained: see catalog/folder_switch.py."""
        return self.build / "ranker_work"

    @property
    def evaluation(self) -> Path:
        """report.json, report.md, recall.png."""
        return self.build / "evaluation"

    @property
    def benchmark(self) -> Path:
        """report.json, report.md, report.html and curves of `photosearch benchmark`."""
        return self.build / "benchmark"

    @property
    def reports(self) -> Path:
        """One JSON file a stage."""
        return self.build / "reports"

    @property
    def resume(self) -> Path:
        """Checkpoints of interrupted trainings, one folder each; outside what DVC tracks."""
        return self.root / "resume"

    # What is live: switched by flows, outside DVC.
    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def live(self) -> Path:
        """A file that holds the name of the live release."""
        return self.releases / "live"

    @property
    def states(self) -> Path:
        """What the online re-ranker has learned so far: see search/online_ranker.py."""
        return self.root / "states"

    @property
    def experiments(self) -> Path:
        """A/B experiments, one file each; absent where none was ever started."""
        return self.root / "experiments"

    @property
    def questions(self) -> Path:
        """Pairs already asked, and where: never asked twice."""
        return self.data / "labels" / "asked.parquet"
