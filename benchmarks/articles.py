"""Articles among millions: memory of the table and time of a question.

    OMP_NUM_THREADS=1 python benchmarks/articles.py --articles 100000 1000000

Articles have 6 to 12 letters and digits, a third of them in series of one vendor. Milliseconds are
of the processor. Where `symspellpy` or `rapidfuzz` is installed and named by `--against`, the same
questions at edit distance 1 go to it too:

    uv run --with symspellpy --with rapidfuzz python benchmarks/articles.py --against symspellpy
"""

import argparse
import string
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from photosearch.perception.article_table import ArticleTable

ALPHABET = np.array(list(string.ascii_uppercase + string.digits))
N_ASKED = 200
LIMIT = 20


def make_articles(n: int, chance: np.random.Generator) -> list[str]:
    """Keys of articles; every third is the next number of its vendor's series."""
    letters = chance.integers(len(ALPHABET), size=(n, 12))
    lengths = chance.integers(6, 13, n).tolist()
    made = ["".join(row[:length]) for row, length in zip(ALPHABET[letters], lengths, strict=True)]
    for row in range(2, n, 3):
        made[row] = f"{made[row % 3000][:4]}{row:06d}"
    return made


def misspelled(article: str, chance: np.random.Generator) -> str:
    """The article with one character left out, added or changed."""
    place, letter = int(chance.integers(len(article))), str(chance.choice(ALPHABET))
    match int(chance.integers(3)):
        case 0:
            return article[:place] + article[place + 1 :]
        case 1:
            return article[:place] + letter + article[place:]
        case _:
            return article[:place] + letter + article[place + 1 :]


def timed(question: Callable[[str], object], asked: list[str]) -> tuple[float, float]:
    """Median and 95th percentile of the processor's milliseconds for a question."""
    took_ms = []
    for key in asked:
        started = time.process_time()
        question(key)
        took_ms.append((time.process_time() - started) * 1000)
    median, slow = np.percentile(took_ms, [50, 95])
    return float(median), float(slow)


def symspell(articles: list[str]) -> Callable[[str], object]:
    """SymSpell's index of deletions."""
    from symspellpy import SymSpell, Verbosity

    index = SymSpell(max_dictionary_edit_distance=1, prefix_length=12)
    for article in articles:
        index.create_dictionary_entry(article, 1)
    return lambda key: index.lookup(key, Verbosity.ALL, max_edit_distance=1)


def rapidfuzz(articles: list[str]) -> Callable[[str], object]:
    """RapidFuzz compares with every article."""
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    return lambda key: process.extract(
        key, articles, scorer=Levenshtein.distance, score_cutoff=1, limit=None
    )


def measure(n: int, against: list[str]) -> None:
    """Prints a line for our table and one for each other library."""
    chance = np.random.default_rng(7)
    articles = make_articles(n, chance)
    true = [articles[row] for row in chance.integers(n, size=N_ASKED).tolist()]
    asked = [misspelled(article, chance) for article in true]
    started = time.process_time()
    table = ArticleTable(articles)
    build_s = time.process_time() - started
    found = [
        article in {articles[row] for row in [*table.one_edit_away(key), *table.exact(key)]}
        for key, article in zip(asked, true, strict=True)
    ]
    times = {
        "exact": timed(table.exact, true),
        "prefix": timed(lambda key: table.starting_with(key[:4], LIMIT), true),
        "one edit": timed(table.one_edit_away, asked),
    }
    told = ", ".join(f"{what} {ms:.3f} ms (95% {slow:.3f})" for what, (ms, slow) in times.items())
    sys.stdout.write(
        f"{n:,} articles | build {build_s:.1f} s | {table.n_bytes / n:.1f} bytes each | "
        f"found at one edit {sum(found)} of {len(found)} | {told}\n"
    )
    for name in against:
        tracemalloc.start()
        question = {"symspellpy": symspell, "rapidfuzz": rapidfuzz}[name](articles)
        n_bytes = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        ms, slow = timed(question, asked[:20])
        sys.stdout.write(
            f"{n:,} articles | {name} | {n_bytes / n:.0f} bytes each beside the articles | "
            f"one edit {ms:.3f} ms (95% {slow:.3f})\n"
        )


def main() -> None:
    """Measures tables of each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--against", nargs="*", default=[], choices=["symspellpy", "rapidfuzz"])
    options = parser.parse_args()
    for n in options.articles:
        measure(n, options.against)


if __name__ == "__main__":
    main()
