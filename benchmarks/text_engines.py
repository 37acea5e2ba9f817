"""Which engine searches words: Qdrant Edge's sparse vectors, tantivy, bm25s; time, size, agreement.

Processor time, so that other work on the machine counts little. Catalogues are simulated titles and
descriptions in two languages. Each engine gets what it is best at: Edge our stems of both languages
in one field and pieces of words beside it, tantivy a field a language with its own stemmers, bm25s
stems by PyStemmer. tantivy and bm25s are no dependencies of ours:

uv run --with tantivy --with bm25s --with PyStemmer python benchmarks/text_engines.py --cards 20000
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from shop_queries import text_queries

from photosearch.catalog.schemas import Card
from photosearch.index.filters import CardFilter
from photosearch.index.text_index import TextIndex, write_text_index
from photosearch.index.text_words import CYRILLIC
from photosearch.search.card_texts import card_texts
from simulator.world import World, card_page

Find = Callable[[str], list[str]]
CHEAP = 1000.0
"""The filter that is timed: no dearer than this, in roubles."""


def main() -> None:
    """Prints the table as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    world = World(31, options.cards)
    cards = [_card(world, number) for number in range(options.cards)]
    asked = text_queries(World(31, 400), range(options.queries), seed=7)
    texts = [query.text for query in asked if not query.is_mistyped]
    report: dict[str, object] = {"cards": options.cards, "queries": len(texts)}
    found: dict[str, list[list[str]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, build in (("edge", _edge), ("tantivy", _tantivy), ("bm25s", _bm25s)):
            folder = Path(scratch) / name
            started = time.process_time()
            finds = build(folder, cards)
            built = time.process_time() - started
            row: dict[str, object] = {"build_s": round(built, 2), "mb": _megabytes(folder)}
            for way, find in finds.items():
                took, answers = _ask(find, texts)
                row[f"ms, {way}"] = took
                found[f"{name}, {way}"] = answers
            report[name] = row
    report["first ten shared with edge"] = {
        name: _shared(found[f"edge, {way}"], found[f"{name}, {way}"])
        for name, way in (("tantivy", "words"), ("bm25s", "words"))
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


def _edge(folder: Path, cards: Sequence[Card]) -> dict[str, Find]:
    write_text_index(folder, card_texts(cards, {}), title_weight=3)
    index, cheap = TextIndex.open_copy(folder), CardFilter(price_max=CHEAP)

    def found(side: str, where: CardFilter | None) -> Find:
        return lambda text: [
            hit.card_id for hit in index.find(text, side=side, limit=100, where=where)
        ]

    return {
        "words": found("words", None), "words, cheap": found("words", cheap),
        "pieces": found("pieces", None),
    }  # fmt: skip


def _tantivy(folder: Path, cards: Sequence[Card]) -> dict[str, Find]:
    import tantivy

    made = tantivy.SchemaBuilder()
    made.add_text_field("card_id", stored=True, tokenizer_name="raw")
    made.add_text_field("en", tokenizer_name="en_stem")
    made.add_text_field("ru", tokenizer_name="ru")
    made.add_float_field("price", indexed=True, fast=True)
    folder.mkdir(parents=True)
    index = tantivy.Index(made.build(), path=str(folder))
    russian = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.stemmer("russian")).build()
    )  # fmt: skip
    index.register_tokenizer("ru", russian)
    writer = index.writer(100_000_000, 1)
    for text in card_texts(cards, {}):
        said = " ".join([text.titles] * 3 + [text.rest])
        row = {"card_id": [text.listing.card_id], "en": [said], "ru": [said]}
        writer.add_document(tantivy.Document(**row, price=[text.listing.price]))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ids(query: object) -> list[str]:
        hits = searcher.search(query, limit=100).hits
        return [searcher.doc(address)["card_id"][0] for _, address in hits]

    def words(text: str) -> list[str]:
        return ids(index.parse_query(text, ["ru" if CYRILLIC.search(text) else "en"]))

    def cheap(text: str) -> list[str]:
        field = "ru" if CYRILLIC.search(text) else "en"
        return ids(index.parse_query(f"+({text}) +price:[0 TO {CHEAP}]", [field]))

    return {"words": words, "words, cheap": cheap}


def _bm25s(folder: Path, cards: Sequence[Card]) -> dict[str, Find]:
    import bm25s
    import Stemmer

    stemmers = {True: Stemmer.Stemmer("russian"), False: Stemmer.Stemmer("english")}

    def stems(words: Sequence[str]) -> list[str]:
        return [stemmers[bool(CYRILLIC.match(word))].stemWord(word) for word in words]

    texts = list(card_texts(cards, {}))
    said = [" ".join([text.titles] * 3 + [text.rest]) for text in texts]
    told = bm25s.tokenize(said, stopwords=[], stemmer=stems, show_progress=False)
    model = bm25s.BM25()
    model.index(told, show_progress=False)
    model.save(str(folder))
    ids = [text.listing.card_id for text in texts]
    is_cheap = np.array([float((text.listing.price or 1e9) <= CHEAP) for text in texts])

    def found(mask: np.ndarray | None) -> Find:
        def find(text: str) -> list[str]:
            asked = bm25s.tokenize([text], stopwords=[], stemmer=stems, show_progress=False)
            rows, scores = model.retrieve(asked, k=100, show_progress=False, weight_mask=mask)
            return [ids[row] for row, score in zip(rows[0], scores[0], strict=True) if score > 0]

        return find

    return {"words": found(None), "words, cheap": found(is_cheap)}


def _ask(find: Find, texts: Sequence[str]) -> tuple[list[float], list[list[str]]]:
    """Median and 99th percentile in ms of processor time, and answers."""
    took, answers = [], []
    for text in texts:
        started = time.process_time()
        answers.append(find(text))
        took.append((time.process_time() - started) * 1000)
    return [round(float(np.quantile(took, q)), 3) for q in (0.5, 0.99)], answers


def _shared(one: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> float:
    pairs = zip(one, other, strict=True)
    shares = [len(set(a[:10]) & set(b[:10])) / max(1, len(a[:10])) for a, b in pairs]
    return round(float(np.mean(shares)), 3)


def _megabytes(folder: Path) -> float:
    """As stored: holes in files count for nothing."""
    return round(sum(f.stat().st_blocks for f in folder.rglob("*")) * 512 / 1e6, 1)


def _card(world: World, number: int) -> Card:
    page = card_page(world, number)
    return Card(**{name: page[name] for name in Card.__slots__ if name in page})


if __name__ == "__main__":
    main()
