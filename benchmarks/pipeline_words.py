"""What words and likes do in the pipeline as it is served; for pipeline_steps.py."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pipeline_home import Opened
from pipeline_table import Asked, Order, Table, by_rank, measured, products_of, say, scores_of
from shop_queries import TextQuery, text_queries

from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.query import MAX_LIMIT, SearchRequest
from photosearch.search.rank import rank_by_evidence
from photosearch.settings import Settings
from photosearch.tagging.tag_index import open_tags
from simulator.world import World
from training.triplets import Triplet, triplets_from_cards

SEED = 7
TAGS = 10
"""Nearest to a photo that are its words: the best number of docs/experiments/tags.md."""
CHANGES_MOST, TARGETS_A_CARD = 2, 5


@dataclass(frozen=True, slots=True)
class Change:
    """A shopper has a photo of one card and wants another, or one like it."""

    content: bytes
    """The photo, of the source."""
    triplet: Triplet
    text: str


def tell_words(settings: Settings, home: Opened, asked: Asked, options: argparse.Namespace) -> None:
    """Prints the rows of zero-shot words, and of all that the simulator's shoppers can ask."""
    served = replace(home.whole, objects=None, articles=None, chips=None)
    cards = read_rows(home.release.cards, Card)
    say("\nPhoto, and words made of it:\n")
    table = Table(asked.products)
    by_photo = [by_rank(served.answer(_request(content))) for content in asked.contents]
    table.add("photo, as served", measured(by_photo, asked))
    if home.release.tags.exists():
        table.add(
            f"its {TAGS} nearest tags as text",
            measured(zero_shot(home, served, asked), asked),
            beside="photo, as served",
        )
    if options.simulated:
        simulated = settings.params.simulator
        world = World(simulated.seed, simulated.cards)
        numbers = sorted(int(card.card_id[1:]) for card in cards)
        queries = text_queries(world, numbers, seed=SEED)
        tell_own_words(table, served, asked, queries)
        tell_text(served, queries, asked.group_of)
    tell_changes(served, asked, cards)


def zero_shot(home: Opened, served: SearchPipeline, asked: Asked) -> list[Order]:
    """The baseline: a photo becomes words, and the text search answers."""
    tags = open_tags(home.release.tags, model_id=home.release.manifest.model_id)
    orders = []
    for content in asked.contents:
        vector = served.embed(served.decode(content, "a photo").pixels).vector
        words = " ".join(tags.text(near.row) for near in tags.nearest(vector, limit=TAGS))
        orders.append(by_rank(served.answer_words(_request(text=words))))
    return orders


def tell_own_words(
    table: Table, served: SearchPipeline, asked: Asked, queries: Sequence[TextQuery]
) -> None:
    """Rows of photos with words that are true of them, and of the words without the photo."""
    plain = replace(served, rank=rank_by_evidence(None))
    text_of = {(f"c{one.card:06d}", one.language): one.text
               for one in queries if not one.is_mistyped}  # fmt: skip
    for language in ("English", "Russian"):
        texts = [text_of[photo.card_id, language] for photo in asked.photos]
        both = [
            by_rank(served.answer(_request(content, text=text)))
            for content, text in zip(asked.contents, texts, strict=True)
        ]
        unranked = [
            by_rank(plain.answer(_request(content, text=text)))
            for content, text in zip(asked.contents, texts, strict=True)
        ]
        alone = [by_rank(served.answer_words(_request(text=text))) for text in texts]
        name = f"photo + true words, {language}"
        before = f"{name}, fused alone"
        table.add(before, measured(unranked, asked), beside="photo, as served")
        table.add(name, measured(both, asked), beside=before)
        table.add(f"these words alone, {language}", measured(alone, asked), beside=name)


def tell_text(
    served: SearchPipeline, queries: Sequence[TextQuery], group_of: dict[str, str]
) -> None:
    """Rows of words alone; right is every product that is all that they say."""
    say("\nWords alone, whatever card a shopper has in mind:\n")
    for number, (language, is_mistyped) in enumerate(
        (one, two) for one in ("English", "Russian") for two in (False, True)
    ):
        some = [q for q in queries if q.language == language and q.is_mistyped == is_mistyped]
        right = [{group_of[_id(n)] for n in q.right if _id(n) in group_of} for q in some]
        orders = [by_rank(served.answer_words(_request(text=query.text))) for query in some]
        table = Table([group_of[_id(query.card)] for query in some], has_header=number == 0)
        found = [products_of(order, group_of) for order in orders]
        how = "mistyped" if is_mistyped else "typed right"
        table.add(f"{language}, {how}, {len(some)} queries", scores_of(found, right))


def tell_changes(served: SearchPipeline, asked: Asked, cards: Sequence[Card]) -> None:
    """Rows of "the same but red" and of likes; the source's own product is not counted."""
    changes = _changes(asked, cards)
    if not changes:
        say("\nNo card leads to another one by its attributes: nothing to refine.")
        return
    say(f"\nAnother card than the photo's, {len(changes)} changes of at most "
        f"{CHANGES_MOST} attributes:\n")  # fmt: skip
    known, plain = {c.card_id: c for c in cards}, replace(served, rank=rank_by_evidence(None))
    group_of, right = asked.group_of, [_products(c.triplet.right, asked) for c in changes]
    table = Table([group_of[change.triplet.source] for change in changes])
    alone = [by_rank(served.answer(_request(change.content))) for change in changes]
    judged = [_judged(o, c.triplet, known, group_of) for o, c in zip(alone, changes, strict=True)]
    ways: dict[str, list[Order]] = {
        "photo alone": alone,
        "photo + words, fused alone": [
            by_rank(plain.answer(_request(c.content, text=c.text))) for c in changes
        ],
        "photo + words": [
            by_rank(served.answer(_request(c.content, text=c.text))) for c in changes
        ],
        "words alone": [by_rank(served.answer_words(_request(text=c.text))) for c in changes],
        "photo + a like and a dislike": [
            by_rank(served.answer(replace(_request(c.content), liked=liked, disliked=disliked)))
            for c, (liked, disliked) in zip(changes, judged, strict=True)
        ],
    }
    for way, orders in ways.items():
        gone = [
            {group_of[c.triplet.source]} | _products((*liked, *disliked), asked)
            for c, (liked, disliked) in zip(changes, judged, strict=True)
        ]
        found = [
            [product for product in products_of(order, group_of) if product not in out]
            for order, out in zip(orders, gone, strict=True)
        ]
        beside = None if way == "photo alone" else "photo alone"
        if way == "photo + words":
            beside = "photo + words, fused alone"
        table.add(way, scores_of(found, right), beside=beside)
    some = sum(bool(liked) for liked, _ in judged)
    say(f"\nOf {len(changes)} photos, {some} had a card to like among the first ten.")


def _changes(asked: Asked, cards: Sequence[Card]) -> list[Change]:
    """Ways from cards that a held-out photo shows, with one of its photos and words by chance."""
    random, photos = np.random.default_rng(SEED), dict[str, list[bytes]]()
    for photo, content in zip(asked.photos, asked.contents, strict=True):
        photos.setdefault(photo.card_id, []).append(content)
    triplets = triplets_from_cards(
        cards, changed_most=CHANGES_MOST, targets_a_card=TARGETS_A_CARD, seed=SEED
    )
    return [
        Change(
            photos[one.source][random.integers(len(photos[one.source]))],
            one,
            one.texts[random.integers(len(one.texts))],
        )
        for one in triplets
        if one.source in photos and asked.group_of[one.source] not in _products(one.right, asked)
    ]


def _judged(
    order: Order, triplet: Triplet, cards: dict[str, Card], group_of: dict[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a shopper taps among the first ten: a card that has what is wanted, one that has not.

    Neither is the wanted card itself, nor one of the source's product.
    """
    wanted = cards[triplet.target]
    out = {group_of[card_id] for card_id in (triplet.source, *triplet.right)}
    shown = [cards[card_id] for card_id in order[:10] if group_of[card_id] not in out]

    def has_it(card: Card) -> bool:
        return card.category == wanted.category and any(
            card.attributes.get(name) == wanted.attributes.get(name) for name in triplet.changes
        )

    liked = [card.card_id for card in shown if has_it(card)][:1]
    disliked = [card.card_id for card in shown if not has_it(card)][:1]
    return tuple(liked), tuple(disliked)


def _products(card_ids: Sequence[str], asked: Asked) -> set[str]:
    return {asked.group_of[card_id] for card_id in card_ids}


def _request(content: bytes = b"", *, text: str = "") -> SearchRequest:
    return SearchRequest(content, limit=MAX_LIMIT, text=text)


def _id(number: int) -> str:
    return f"c{number:06d}"
