"""Where settings become what `photosearch benchmark` measures and compares with."""

from collections.abc import Callable, Sequence
from pathlib import Path

from photosearch.assembly import champion_model, frozen_model, load_embedder
from photosearch.assembly_text import open_text_encoder
from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows
from photosearch.embedding.aligner import MANIFEST as ALIGNER
from photosearch.embedding.aligner import read_aligner
from photosearch.embedding.catalog_vectors import catalog_vectors
from photosearch.embedding.model import ModelManifest, read_model
from photosearch.embedding.text import in_batches
from photosearch.errors import BadArtifact, TextEncoderUnavailable
from photosearch.evaluation.contender import REFINED, TEXT, Contender, TextSide
from photosearch.evaluation.held_out import AskedChange, read_held_out
from photosearch.evaluation.suite import BenchmarkReport, run_benchmark
from photosearch.evaluation.suite_files import save_benchmark
from photosearch.release import live_release, open_release
from photosearch.search.refine import read_refiner
from photosearch.settings import Settings

NOBODY = "none"
ChangesOf = Callable[[Sequence[Card]], Sequence[AskedChange]]


def benchmark_model(
    settings: Settings, *, release: str | None, against: str | None, changes_of: ChangesOf
) -> BenchmarkReport:
    """Measures the candidate, or a release, and writes `home.benchmark`.

    Args:
        settings: Home and params.
        release: A release; None measures the candidate.
        against: A release; NOBODY compares with nobody; None with the live model or, where that is
            the measured one, with mean pooling of the same tower.
        changes_of: Makes "the same but red" of cards; `training.triplets` does.

    Raises:
        HomeNotReady, BadArtifact: There is no such model.
        EmptySource: No photo is left to ask with.
    """
    home, releases = settings.home, settings.home.releases
    folder = open_release(releases / release).model if release else home.candidate
    model = _contender(settings, folder, f"release {release}" if release else "candidate")
    champion = None
    if against not in (None, NOBODY):
        champion = _contender(
            settings, open_release(releases / str(against)).model, f"release {against}"
        )
    elif against is None:
        champion = _champion(settings, model)
    cards = read_rows(home.curated / "cards.parquet", Card)
    held = read_held_out(home, settings.params.benchmark, changes=changes_of(cards))
    benchmark = run_benchmark(held, model, champion)
    save_benchmark(home.benchmark, held, benchmark)
    return benchmark.report


def _champion(settings: Settings, model: Contender) -> Contender:
    home, folder = settings.home, champion_model(settings)
    if home.live.exists() and read_model(folder).model_id != model.model_id:
        return _contender(settings, folder, f"release {live_release(home.releases).folder.name}")
    return _contender(settings, frozen_model(settings), "mean pooling")


def _contender(settings: Settings, folder: Path, name: str) -> Contender:
    home, manifest, embedder = settings.home, read_model(folder), load_embedder(folder)
    without: dict[str, str] = {}
    return Contender(
        name,
        manifest.model_id,
        list(manifest.head.lengths),
        catalog_vectors(home, folder, embedder),
        embedder,
        _text_side(settings, manifest, without),
        without,
    )


def _text_side(
    settings: Settings, model: ModelManifest, without: dict[str, str]
) -> TextSide | None:
    """The text side that `photosearch text` made for this model; else why there is none."""
    text = settings.home.text
    if not (text / ALIGNER).exists():
        without[TEXT] = without[REFINED] = "build/text has no text side; run `photosearch text`"
        return None
    try:
        aligner = read_aligner(text, model_id=model.model_id)
        encode = open_text_encoder(settings)
    except (BadArtifact, TextEncoderUnavailable) as error:
        without[TEXT] = without[REFINED] = _within(settings, error)
        return None
    wanted = settings.params.text.aligner.encoder
    if aligner.manifest.encoder != wanted:
        without[TEXT] = without[REFINED] = (
            f"the aligner was made for encoder {aligner.manifest.encoder!r}, params.yaml names "
            f"{wanted!r}; run `photosearch text`"
        )
        return None
    refine = None
    try:
        refine = read_refiner(text, model_id=model.model_id).refine
    except BadArtifact as error:
        without[REFINED] = _within(settings, error)
    return TextSide(lambda texts: in_batches(encode, texts), aligner.align, refine)


def _within(settings: Settings, error: Exception) -> str:
    """What an error says, with paths as they are in the home: reports travel."""
    return str(error).replace(f"{settings.home.root}/", "")
