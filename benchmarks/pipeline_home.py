"""A home's live release as the service assembles it, in this process; for pipeline_steps.py."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from ranking_home import live_vectors

from photosearch.assembly_late import token_writer
from photosearch.assembly_perception import load_detector
from photosearch.assembly_search import Eyes, complete, finder_of, release_ids
from photosearch.assembly_serving import load_reader, load_served_embedder, open_index
from photosearch.catalog.images import content_hash, open_photo
from photosearch.catalog.schemas import Card, CuratedPhoto, Impression
from photosearch.catalog.tables import read_rows
from photosearch.home import Home
from photosearch.perception.reader import Word
from photosearch.release import Release, live_release
from photosearch.search.enrich import CardFactsTable
from photosearch.search.features import named
from photosearch.search.found import FoundCard
from photosearch.search.late_interaction import compare_by_photo
from photosearch.search.learned_order import rerank_by_state
from photosearch.search.online_ranker import OnlineState, learn
from photosearch.search.photo_tokens import FOLDER, open_photo_tokens
from photosearch.search.pipeline import SearchPipeline, make_pipeline
from photosearch.search.query import Embedded, Query, SearchRequest
from photosearch.search.rank import best_first
from photosearch.search.ranker_folder import open_rankers
from photosearch.search.reading_room import ReadingRoom
from photosearch.search.steps import Reranker, Step
from photosearch.settings import Services, Settings
from simulator.shoppers import appeal, clicks
from simulator.world import World
from training.late_interaction import learn_short_tokens
from training.ranker_home import ask_home

PATIENCE_MS = 60_000.0
"""An answer waits so long for its articles: here they are what is measured."""
SHOWN = 20
"""Cards that a pretended shopper is shown."""
THREADS = Services(encoder_threads=1)


@dataclass(frozen=True, slots=True)
class Opened:
    release: Release
    whole: SearchPipeline
    """As the service assembles it."""
    plain: SearchPipeline
    """The same, its candidates in the order of their evidence and nothing else."""


@contextmanager
def opened(settings: Settings) -> Iterator[Opened]:
    """The live release, all in this process; one photo is embedded once, whoever asks."""
    release = live_release(settings.home.releases)
    embedder = load_served_embedder(release, THREADS, sees=True)
    cards = CardFactsTable(release.cards, release.thumbnail_table)
    known: dict[str, Embedded] = {}

    def embed(photo: Image.Image) -> Embedded:
        name = content_hash(photo.tobytes())
        if name not in known:
            sight = embedder.see([photo])
            known[name] = Embedded(sight.vectors[0], sight.tokens[0])
        return known[name]

    with ExitStack() as stack:
        index = stack.enter_context(closing(open_index(release, THREADS)))
        finder = stack.enter_context(finder_of(release, index))
        room = stack.enter_context(closing(ReadingRoom(_reader(settings), waiting_max=1)))
        first = make_pipeline(release_ids(release), embedder, finder=finder, cards=cards)
        eyes = Eyes(lambda _: lambda _: [], room, PATIENCE_MS)
        whole = complete(replace(first, embed=embed), release, cards=cards, index=index, eyes=eyes)
        yield Opened(release, whole, plain=only_candidates(whole))


def only_candidates(whole: SearchPipeline) -> SearchPipeline:
    """Every step after the candidates is off."""
    return replace(
        whole, rank=lambda found, _: best_first(found), late_interaction=None, rerank=None,
        policies=None, chips=None, objects=None, articles=None, calibration=None,
    )  # fmt: skip


def _reader(settings: Settings) -> Callable[[bytes], Sequence[Word]]:
    reader = load_reader(settings.params.ocr)

    def read(photo: bytes) -> Sequence[Word]:
        return reader.read(open_photo(photo, name="a photo")) if reader else []

    return read


def by_gallery(found: Sequence[FoundCard], query: Query) -> list[FoundCard]:
    """The plain rule: cards by their nearest gallery picture, those without a near one last."""
    nearest: dict[str, float] = {}
    for hit in query.hits:
        if "/gallery/" in hit.photo_id:
            nearest.setdefault(hit.card_id, hit.cosine)
    return sorted(found, key=lambda card: -nearest.get(card.traits.card_id, -math.inf))


def likeliest_object(settings: Settings) -> Callable[[Image.Image], Sequence[object]]:
    """Our own detector, whatever the params of the home say."""
    params = settings.params.detector.model_copy(
        update={"model": "ours", "file": "", "classes": ""}
    )
    detector = load_detector(params, settings.home)
    if detector is None:
        raise RuntimeError("The detector that is shipped was not loaded.")
    return detector.find


def late_step(settings: Settings, release: Release, folder: Path) -> Step:
    """Late interaction by learned tokens, made in `folder`; the home stays as it is.

    The projection is learned from photos of training by `photosearch late`; it knows candidates
    only, so the candidate must be the live model.
    """
    late = settings.params.late_interaction.model_copy(update={"tokens": "learned"})
    home = _beside(settings.home, folder / "home")
    learn_short_tokens(home, late)
    params = settings.params.model_copy(update={"late_interaction": late})
    write = token_writer(
        settings.model_copy(update={"home": home, "params": params}), release.model
    )
    if write is None:
        raise RuntimeError("Late interaction is off, though it was turned on.")
    write(folder, read_rows(release.photos, CuratedPhoto))
    manifest = release.manifest
    tokens = open_photo_tokens(
        folder / FOLDER, model_id=manifest.model_id, n_photos=manifest.n_photos
    )
    return compare_by_photo(tokens)


def _beside(home: Home, folder: Path) -> Home:
    """A home of links to all that another holds, but for its short tokens."""
    made = Home(folder)
    made.build.mkdir(parents=True)
    for path in (home.data, home.releases, *home.build.iterdir()):
        if path != home.late:
            (folder / path.relative_to(home.root)).symlink_to(path.absolute())
    return made


class SimulatedShop:
    """What shoppers of the simulator want, by the ids of a home's cards and products."""

    def __init__(self, settings: Settings, cards: Sequence[Card]) -> None:
        simulated = settings.params.simulator
        self._world = World(simulated.seed, simulated.cards)
        self._number_of = {card.group_id: int(card.card_id[1:]) for card in cards}
        self._cards = [int(card.card_id[1:]) for card in cards]
        self._likes = cache(self._likes_of)

    def clicks(self, visit: int, product: str, shown: Sequence[FoundCard]) -> list[bool]:
        """Which of the shown cards a shopper who wants a product clicks."""
        numbers = [int(card.traits.card_id[1:]) for card in shown]
        return clicks(self._world, visit, self._number_of[product], numbers)

    def ndcg(self, product: str, shown: Sequence[str], *, k: int = 10) -> float:
        """nDCG@k of card ids, by how much the mean shopper likes each card of the home."""
        likes, discount = self._likes(product), 1 / np.log2(np.arange(2, k + 2))
        found = np.array([likes[int(card_id[1:])] for card_id in shown[:k]])
        best = np.sort(list(likes.values()))[::-1][:k]
        return float((found * discount[: len(found)]).sum() / (best * discount[: len(best)]).sum())

    def _likes_of(self, product: str) -> dict[int, float]:
        wanted = self._number_of[product]
        return {n: appeal(self._world, wanted, n) for n in self._cards}


def taught_by_shoppers(
    settings: Settings, release: Release, shop: SimulatedShop, *, visits: int, seed: int
) -> Callable[[], Reranker]:
    """The online re-ranker after pretended shoppers searched with photos of training.

    A photo finds neither itself nor those of its review; what it finds is ranked as the release
    does, then by what was learned so far. `margin` and the like are those of params.yaml.
    """
    ranking, random, state = settings.params.ranking, np.random.default_rng(seed), OnlineState()
    learned = ask_home(
        settings.home, live_vectors(settings), ranking.ranker, settings.params.index
    ).learned
    learned = learned[: len(learned) // 2]  # the other half asks as if its product were new
    ranker = open_rankers(release.ranker, model_id=release.manifest.model_id).alone
    if ranker is None:
        raise SystemExit(f"The ranker of {release.folder} ranks photos with words alone.")
    asked = Query(SearchRequest(), None, None)
    for visit in range(visits):
        answered = learned[int(random.integers(len(learned)))]
        ranked = ranker.rank(answered.found, answered.evidence)
        cards = rerank_by_state(state, ranking.online)(ranked, asked)[:SHOWN]
        did = shop.clicks(seed * 1_000_000 + visit, answered.product, cards)
        rows = [
            Impression(str(visit), card.traits.card_id, rank, clicked, named(card.features))
            for rank, (card, clicked) in enumerate(zip(cards, did, strict=True), start=1)
            if card.features is not None
        ]
        state = learn(state, rows, ranking.online, ranking.propensity)
    reranker = Reranker(state.state_id, rerank_by_state(state, ranking.online))
    return lambda: reranker
