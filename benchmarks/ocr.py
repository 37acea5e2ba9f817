"""Articles printed on the simulator's photos: what is found, what is wrong, and how long it takes.

    OMP_NUM_THREADS=1 python benchmarks/ocr.py --photos 200 --heights 24

Photos of three kinds: the simulator's own review photos as they come (the article may be covered by
a hand); close-ups of the same products, by the same camera, on which capitals are printed at a
wanted height; and photos without an article (floors, parcels, receipts, screenshots, people). They
ask a table in which a quarter of all possible articles exist, so that a misread one is often there.
Milliseconds are of the processor, for it has other work too. The last lines tell what was misread.
"""

import argparse
import io
import math
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.catalog.images import open_photo
from photosearch.perception.article_table import ArticleTable, find_articles
from photosearch.perception.ocr import RapidReader
from photosearch.perception.reader import Reader
from photosearch.progress import configure_logging, track
from simulator.brands import label
from simulator.camera import Shot, develop, place_object
from simulator.dice import dice
from simulator.kinds import outline
from simulator.photos import Picture
from simulator.pictures import REVIEW_PX, render
from simulator.sprites import SPRITE_PX, soft_sprite
from simulator.textures import GROUND_PX, GROUNDS, VARIANTS, ground
from simulator.world import ARTICLE_LETTERS, Product, World

N_CARDS = 100_000
NO_ARTICLE = ("not_a_product", "screenshot", "person")
AS_THEY_COME, NONE = "as they come", "no article"


@dataclass
class Tally:
    """What came of the photos of one kind."""

    n_photos: int = 0
    n_exact: int = 0
    """Photos whose article was found exactly."""
    n_near: int = 0
    """Photos whose article was not found exactly, but is among the near ones."""
    n_answers: int = 0
    """Exact answers, also several a photo."""
    n_wrong: int = 0
    n_wrong_unsold: int = 0
    """Exact answers of the table that lacks the printed articles: each one is wrong."""
    ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """The articles that exist; a row of the table is a place in the list."""

    articles: list[str]
    table: ArticleTable
    unsold: ArticleTable
    """The same without the articles that are printed on the photos."""


def printed_height(world: World, product: Product, badge_px: int) -> int:
    """Height of the article's capitals on the label as it is drawn, in pixels."""
    drawn = np.asarray(
        label(world.seed, product.look.brand, product.article, badge_px).convert("L")
    )
    height, width = drawn.shape
    lower = drawn[int(height * 0.62) : int(height * 0.97), int(width * 0.06) : int(width * 0.94)]
    dark_rows = np.flatnonzero((lower < 100).any(1))
    return int(dark_rows[-1] - dark_rows[0] + 1)


def close_up(world: World, card: int, height_px: int) -> bytes:
    """A buyer's photo on which the article is printed `height_px` high, give or take perspective.

    Ground, turn, perspective, light, blur, grain and compression as in the simulator's reviews.
    """
    chance = dice(world.seed, "close-up", card, height_px)
    product = world.product(card)
    turn = int(chance.integers(-1, 2))
    sprite = soft_sprite(world.seed, product.look, product.article, turn)
    x, y, width = outline(product.look.kind, product.look.form, turn=turn).badge
    scale = height_px / printed_height(world, product, round(width * SPRITE_PX))
    left, top, right, bottom = sprite.getbbox() or (0, 0, SPRITE_PX, SPRITE_PX)
    from_middle = np.array([x, y]) * SPRITE_PX - ((left + right) / 2, (top + bottom) / 2)
    scene = piece_of_ground(world, chance)
    squeeze, degrees = float(chance.uniform(0.82, 1)), float(chance.normal(0, 14))
    angle = np.radians(degrees)
    turned = np.array([(np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))])
    middle = np.array(scene.size) * chance.uniform(0.35, 0.65, 2)  # the label's
    place = middle - (from_middle * (squeeze, 1) * scale) @ turned
    size_px = scale * max(right - left, bottom - top)
    shot = Shot(*place.tolist(), size_px, degrees, squeeze, skew=0.1, shadow=0.4, is_fine=False)
    place_object(scene, sprite, shot, chance)
    file = io.BytesIO()
    developed = develop(world.seed, scene, chance)
    developed.save(file, "JPEG", quality=int(chance.integers(40, 86)))
    return file.getvalue()


def piece_of_ground(world: World, chance: np.random.Generator) -> Image.Image:
    width, height = REVIEW_PX if chance.random() < 0.75 else REVIEW_PX[::-1]
    name = str(chance.choice(list(GROUNDS)))
    x, y = chance.integers(0, (GROUND_PX - width, GROUND_PX - height)).tolist()
    whole = ground(world.seed, name, int(chance.integers(VARIANTS)))
    return whole.crop((x, y, x + width, y + height))


def shoot(world: World, cards: list[int], heights: list[int]) -> Iterator[tuple[str, str, bytes]]:
    """Kind of photo, article printed on it (or none), and file."""
    for n, card in enumerate(cards):
        article = world.product(card).article
        for height_px in heights:
            yield f"{height_px} px", article, close_up(world, card, height_px)
        yield AS_THEY_COME, article, render(world, Picture(card, "review", 0, "product"))
        nothing = NO_ARTICLE[n % len(NO_ARTICLE)]
        yield NONE, "", render(world, Picture(card, "review", 1, nothing))  # type: ignore[arg-type]


def possible_articles(n: int, chance: np.random.Generator) -> list[str]:
    """Different articles spelled as the simulator spells them."""
    places: NDArray[np.int64] = chance.choice(len(ARTICLE_LETTERS) ** 2 * 10_000, n, replace=False)
    pairs = [first + second for first in ARTICLE_LETTERS for second in ARTICLE_LETTERS]
    return [f"{pairs[place // 10_000]}-{place % 10_000:04d}" for place in places.tolist()]


def ask(
    reader: Reader, photo: Image.Image, article: str, *, asked: Asked, tally: Tally
) -> str | None:
    """Reads one photo and counts what came of it; returns what was read if that was wrong."""
    started = time.process_time()
    words = reader.read(photo)
    found = find_articles(words, asked.table)
    tally.ms.append((time.process_time() - started) * 1000)
    tally.n_wrong_unsold += sum(one.match == "exact" for one in find_articles(words, asked.unsold))
    exact, near = (
        {asked.articles[row] for one in found if (one.match == "exact") is is_exact
         for row in one.rows}
        for is_exact in (True, False)
    )  # fmt: skip
    tally.n_photos += 1
    tally.n_exact += article in exact
    tally.n_near += article in near
    tally.n_answers += len(exact)
    tally.n_wrong += len(exact - {article})
    if exact == ({article} if article else set()):
        return None
    read = " ".join(f"{word.text} ({word.confidence:.2f})" for word in words)
    return f"{article or 'no article'} read as {read or 'nothing'}"


def main() -> None:
    """Prints one table for each side at which lines are looked for; Ctrl-C prints what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=59)
    parser.add_argument("--heights", type=int, nargs="+", default=[24])
    parser.add_argument("--side-px", type=int, nargs="+", default=[640])
    parser.add_argument("--confidence", type=float, default=0.5)
    parser.add_argument("--articles", type=int, default=1_000_000)
    options = parser.parse_args()
    configure_logging()
    chance = np.random.default_rng(options.seed)
    world = World(options.seed, N_CARDS)
    cards = chance.choice(N_CARDS, options.photos, replace=False).tolist()
    printed = [world.product(card).article for card in cards]
    articles = sorted({*printed, *possible_articles(options.articles, chance)})
    unsold = sorted(set(articles) - set(printed))
    asked = Asked(articles, ArticleTable(articles), ArticleTable(unsold))
    readers = {
        side_px: RapidReader(side_px=side_px, confidence_min=options.confidence, threads=1)
        for side_px in options.side_px
    }
    tallies = {side_px: defaultdict[str, Tally](Tally) for side_px in readers}
    misread: list[str] = []
    n_photos = len(cards) * (len(options.heights) + 2)
    photos = shoot(world, cards, options.heights)
    try:
        for kind, article, file in track(photos, "reading photos", total=n_photos):
            photo = open_photo(file, name=kind)
            for side_px, reader in readers.items():
                tally = tallies[side_px][kind]
                wrong = ask(reader, photo, article, asked=asked, tally=tally)
                misread.extend([f"{kind}, {side_px} px: {wrong}"] if wrong else [])
    except KeyboardInterrupt:
        sys.stdout.write("interrupted: the tables hold what was read so far\n")
    sys.stdout.write(f"{len(articles):,} articles in the table\n")
    sys.stdout.writelines(table_of(side_px, by_kind) for side_px, by_kind in tallies.items())
    sys.stdout.write("\n".join(["", *misread, ""]))


def table_of(side_px: int, by_kind: dict[str, Tally]) -> str:
    """A Markdown table, a row a kind of photo."""
    rows = [f"\nlines looked for at {side_px} px\n",
            "| photos | n | found exactly (95%) | or near | exact answers | wrong "
            "| wrong if not sold | ms (median, 95%) |",
            "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind, tally in by_kind.items():
        median, slow = np.percentile(tally.ms, [50, 95])
        has_article = kind != NONE
        low, high = wilson(tally.n_exact, tally.n_photos)
        share = f"{tally.n_exact / tally.n_photos:.3f} ({low:.3f} to {high:.3f})"
        exact = share if has_article else ""
        near = f"{(tally.n_exact + tally.n_near) / tally.n_photos:.3f}" if has_article else ""
        rows.append(
            f"| {kind} | {tally.n_photos} | {exact} | {near} | {tally.n_answers} | {tally.n_wrong} "
            f"| {tally.n_wrong_unsold} | {median:.0f}, {slow:.0f} |"
        )
    n_answers = sum(tally.n_answers for tally in by_kind.values())
    n_right = n_answers - sum(tally.n_wrong for tally in by_kind.values())
    low, high = wilson(n_right, n_answers)
    told = f"{n_right} of {n_answers} exact answers right (95%: {low:.4f} to {high:.4f})"
    return "\n".join([*rows, f"\n{told}\n"])


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """95% interval of a share.

    Source: Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    if not n:
        return 0.0, 1.0
    z, share = 1.96, n_right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return middle - half, middle + half


if __name__ == "__main__":
    main()
