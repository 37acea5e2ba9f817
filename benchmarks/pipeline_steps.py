"""What every step of the pipeline adds; see docs/experiments/pipeline.md.

    OMP_NUM_THREADS=1 python benchmarks/pipeline_steps.py --home home/simulator --simulated

asks the live release with the photos that its index does not hold, through the pipeline that the
service assembles, and with words: pipeline_words.py. With `--simulated` the home is the demo's: its
shoppers teach the online re-ranker and type words. An answer is a list of products, each where its
first card is; intervals draw products anew. Nothing is written into the home.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pipeline_home import (
    Opened,
    SimulatedShop,
    by_gallery,
    late_step,
    likeliest_object,
    opened,
    taught_by_shoppers,
)
from pipeline_table import Asked, Order, Table, by_article_first, by_rank, measured, say
from pipeline_words import tell_words

from photosearch.assembly import load_settings
from photosearch.catalog.images import path_of
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.embedding.model import read_model
from photosearch.evaluation.intervals import draw, mean_interval
from photosearch.progress import configure_logging, track
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.query import MAX_LIMIT, SearchRequest
from photosearch.search.ranker_folder import TREES
from photosearch.search.shown_cards import is_indexed
from photosearch.settings import Settings


def main() -> None:
    """Prints the tables of docs/experiments/pipeline.md."""
    options = _options()
    configure_logging()
    settings = load_settings(options.home)
    asked = held_out(settings, most=options.queries)
    with opened(settings) as home:
        manifest = home.release.manifest
        say(
            f"release {manifest.release}, model {manifest.model_id}: {manifest.n_cards} cards, "
            f"{manifest.n_photos} photos; {len(asked.photos)} photos of "
            f"{len(set(asked.products))} products ask\n"
        )
        parts: dict[str, Callable[[], None]] = {
            "photos": lambda: tell_photos(settings, home, asked, options),
            "words": lambda: tell_words(settings, home, asked, options),
            "articles": lambda: tell_articles(home, asked),
        }
        for part in options.parts:
            parts[part]()


def held_out(settings: Settings, *, most: int) -> Asked:
    """The photos that the index does not hold, of products that it does."""
    home = settings.home
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    cards = read_rows(home.curated / "cards.parquet", Card)
    group_of = {card.card_id: card.group_id for card in cards}
    findable = {group_of[photo.card_id] for photo in photos if is_indexed(photo)}
    asking = [p for p in photos if not is_indexed(p) and group_of[p.card_id] in findable]
    rows = np.sort(np.random.default_rng(0).permutation(len(asking))[:most])
    chosen = [asking[row] for row in rows.tolist()]
    contents = [path_of(home.images, photo.sha256).read_bytes() for photo in chosen]
    return Asked(chosen, contents, [group_of[p.card_id] for p in chosen], group_of)


def tell_photos(
    settings: Settings, home: Opened, asked: Asked, options: argparse.Namespace
) -> None:
    """Prints a row for each step that a photo's answer goes through."""
    plain, whole, table = home.plain, home.whole, Table(asked.products)

    def told(way: str, pipeline: SearchPipeline, beside: str | None = None) -> list[Order]:
        orders = orders_of(pipeline, asked, way)
        table.add(way, measured(orders, asked), beside=beside)
        return orders

    told("candidates alone", plain)
    told("nearest gallery picture", replace(plain, rank=by_gallery), "candidates alone")
    ranked = replace(plain, rank=whole.rank)
    before = told("+ ranker", ranked, "candidates alone")
    if read_model(settings.home.candidate).model_id == home.release.manifest.model_id:
        with tempfile.TemporaryDirectory() as folder:
            late = late_step(settings, home.release, Path(folder))
            told("+ late interaction", replace(ranked, late_interaction=late), "+ ranker")
            told("late, no ranker", replace(plain, late_interaction=late), "candidates alone")
    else:
        say("| late interaction: not asked, the candidate is not the live model | | | | |")
    if not (home.release.ranker / TREES).exists():
        say("| ranker, clicks: none for photos alone here, the two rows are one | | | | |")
    elif options.simulated:
        shop = SimulatedShop(settings, read_rows(settings.home.curated / "cards.parquet", Card))
        for seed in range(options.seeds):
            rerank = taught_by_shoppers(
                settings, home.release, shop, visits=options.visits, seed=seed
            )
            orders = told(f"+ clicks, seed {seed}", replace(ranked, rerank=rerank), "+ ranker")
            tell_shoppers(shop, asked, before, orders)
    policed = replace(ranked, policies=whole.policies)
    told("+ policies: as served", policed, "+ ranker")
    seen = replace(policed, objects=likeliest_object(settings))
    told("likeliest object searched", seen, "+ policies: as served")


def tell_articles(home: Opened, asked: Asked) -> None:
    """Prints what it adds to show the cards first whose article is read on the photo."""
    say("\nArticles read on the photos:\n")
    if home.whole.articles is None:
        say("This release reads none.")
        return
    table, served = Table(asked.products), replace(home.whole, objects=None)
    answers = [served.answer(SearchRequest(one, limit=MAX_LIMIT)) for one in asked.contents]
    table.add("as served", measured([by_rank(one) for one in answers], asked))
    shown = [by_article_first(answer) for answer in answers]
    table.add("articles first", measured(shown, asked), beside="as served")
    n_read = sum(bool(answer.articles.cards) for answer in answers)
    say(f"\nOn {n_read} of {len(answers)} photos the article of a card was read.")


def tell_shoppers(
    shop: SimulatedShop, asked: Asked, before: Sequence[Order], after: Sequence[Order]
) -> None:
    """Prints how much better shoppers like an order than the one before it."""
    without, with_it = (
        np.array([shop.ndcg(p, order) for p, order in zip(asked.products, orders, strict=True)])
        for orders in (before, after)
    )
    gain = mean_interval(with_it - without, draw(asked.products))
    say(f"| shoppers' nDCG@10 of it | + ranker | {without.mean():.3f} | {gain} more | |")


def orders_of(pipeline: SearchPipeline, asked: Asked, doing: str) -> list[Order]:
    """The cards of each answer, by the real pipeline."""
    return [
        by_rank(pipeline.answer(SearchRequest(content, limit=MAX_LIMIT)))
        for content in track(asked.contents, doing, len(asked.contents))
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="with a live release")
    parser.add_argument("--simulated", action="store_true", help="it is the simulator's")
    parser.add_argument("--parts", nargs="+", default=["photos", "words", "articles"])
    parser.add_argument("--queries", type=int, default=1000, help="at most so many, by chance")
    parser.add_argument("--visits", type=int, default=2000, help="of pretended shoppers")
    parser.add_argument("--seeds", type=int, default=3, help="of their visits")
    return parser.parse_args()


if __name__ == "__main__":
    main()
