"""One page of HTML for a benchmark: its tables, its curves, and the queries to look at."""

import base64
import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog import images
from photosearch.evaluation.asked import Answered, Asked
from photosearch.evaluation.contender import PHOTO
from photosearch.evaluation.held_out import HeldOut
from photosearch.evaluation.suite import HEADLINE, Benchmark
from photosearch.evaluation.suite_tables import Table, not_measured, tables, told
from photosearch.evaluation.views import VIEWS, WHOLE, seen_as

EXAMPLES = 8
"""Queries shown in each section, one a product."""
CARDS_SHOWN = 5
SIDE_PX = 130
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --right: #1a9850; }
body { max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #8884;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
h2 { margin: 2.5rem 0 .5rem; } h2 small { font-weight: 400; opacity: .7; }
.curves { display: flex; flex-wrap: wrap; gap: 1rem; }
.curves img { height: 20rem; max-width: 100%; object-fit: contain; background: white;
  border-radius: 6px; }
.query { display: flex; gap: 1.2rem; padding: .8rem 0; border-bottom: 1px solid #8884;
  overflow-x: auto; }
.answers { display: flex; flex-direction: column; gap: .4rem; }
.row { display: flex; gap: 6px; align-items: flex-start; }
.row > span { width: 6.5rem; font-size: .75rem; flex: none; }
.strip { display: flex; flex-wrap: wrap; gap: 10px; }
figure { margin: 0; width: 130px; flex: none; }
figure img { width: 126px; height: 126px; object-fit: contain; border: 2px solid transparent;
  border-radius: 6px; background: #8882; }
figure.right img { border-color: var(--right); }
figure.asks img { border-color: #8886; }
figcaption { font-size: .7rem; line-height: 1.3; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers that are shown: to whole photos, at each model's full length."""

    held: HeldOut
    asked: Asked
    named: list[tuple[str, Answered]]
    """The model's, and the champion's if there is one."""
    picture_of: dict[str, str]
    """sha256 of the first gallery picture, by card."""


def benchmark_page(held: HeldOut, benchmark: Benchmark, *, curves: Sequence[Path]) -> str:
    """The page, with its pictures in it: it needs no other file and no network.

    Args:
        held: What was asked.
        benchmark: What was answered.
        curves: PNG files.
    """
    report, answers = benchmark.report, _answers(held, benchmark)
    shown = "".join(f"<img alt='{path.stem}' src='{_inline(path)}'>" for path in curves)
    absent = "".join(f"<li>{_text(line)}</li>" for line in not_measured(report))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Benchmark</title>'
        f"<style>{STYLE}</style><h1>Benchmark of {html.escape(report.model)}</h1>"
        f"<p>{_text(told(report))}</p>"
        + (f"<p>Not measured:</p><ul>{absent}</ul>" if absent else "")
        + f"<div class='curves'>{shown}</div>"
        + "".join(map(_table, tables(report)))
        + _views(held)
        + "".join(_sections(answers))
        + "</html>\n"
    )


def _answers(held: HeldOut, benchmark: Benchmark) -> _Answers:
    named = [(benchmark.report.model, benchmark.model)]
    if benchmark.champion is not None:
        named.append((benchmark.report.champion, benchmark.champion))
    pictures: dict[str, str] = {}
    for photo in held.gallery:
        pictures.setdefault(photo.card_id, photo.sha256)
    longest = [(name, outcome.answers[PHOTO, WHOLE]) for name, outcome in named]
    return _Answers(
        held,
        benchmark.model.asked[PHOTO, WHOLE],
        [(name, answers[max(answers)]) for name, answers in longest],
        pictures,
    )


def _sections(answers: _Answers) -> list[str]:
    """Best, worst, won and lost queries; each from the clearest down."""
    margin = np.array([_margin(answers, row) for row in range(len(answers.asked.names))])
    rank = answers.named[0][1].per_query["mrr"]
    worst = np.lexsort((margin, rank)).tolist()
    best = np.argsort(-margin, kind="stable").tolist()
    best = [row for row in best if rank[row] == 1]
    sections = [
        _section("Best", "right card first, the next wrong one far", answers, best),
        _section("Worst", "right card far down or not among ten", answers,
                 [row for row in worst if rank[row] < 1]),
    ]  # fmt: skip
    if len(answers.named) < 2:
        return sections
    gain = rank - answers.named[1][1].per_query["mrr"]
    hit, was_hit = (answered.per_query[HEADLINE] > 0 for _, answered in answers.named)
    won = [row for row in np.argsort(-gain, kind="stable").tolist() if hit[row] > was_hit[row]]
    lost = [row for row in np.argsort(gain, kind="stable").tolist() if hit[row] < was_hit[row]]
    return [
        *sections,
        _section("Changed for the better", "right card first now, not before", answers, won),
        _section("Changed for the worse", "right card first before, not now", answers, lost),
    ]


def _margin(answers: _Answers, row: int) -> float:
    """Cosine of the best right card less that of the best wrong one; -1 stands for none shown."""
    answered = answers.named[0][1]
    told = list(zip(answered.shown[row], answered.cosines[row], strict=True))
    right = [cosine for card, cosine in told if card in answers.asked.right[row]]
    wrong = [cosine for card, cosine in told if card not in answers.asked.right[row]]
    return max(right, default=-1.0) - max(wrong, default=-1.0)


def _section(title: str, meaning: str, answers: _Answers, rows: Sequence[int]) -> str:
    one_a_product: dict[str, int] = {}
    for row in rows:
        one_a_product.setdefault(answers.asked.products[row], row)
    chosen = list(one_a_product.values())[:EXAMPLES]
    shown = "".join(_query(answers, row) for row in chosen)
    count = f"{len(chosen)} of {len(rows)}"
    return f"<h2>{title} <small>{meaning}; {count} shown</small></h2>{shown}"


def _query(answers: _Answers, row: int) -> str:
    photo, product = answers.held.queries[row], answers.asked.products[row]
    seen = "seen" if product in answers.held.seen_groups else "unseen"
    title = answers.held.cards[photo.card_id].title
    asks = _figure(_thumb(answers.held, photo.sha256), f"{photo.photo_id}, {seen}: {title}", "asks")
    lines = "".join(
        f"<div class='row'><span>{html.escape(name)}<br>{_place(answered, row)}</span>"
        + "".join(_card(answers, answered, row, n) for n in range(_n_shown(answered, row)))
        + "</div>"
        for name, answered in answers.named
    )
    return f"<div class='query'>{asks}<div class='answers'>{lines}</div></div>"


def _n_shown(answered: Answered, row: int) -> int:
    return min(CARDS_SHOWN, len(answered.shown[row]))


def _place(answered: Answered, row: int) -> str:
    reciprocal = answered.per_query["mrr"][row]
    return f"right card: place {round(1 / reciprocal)}" if reciprocal else "right card: not in ten"


def _card(answers: _Answers, answered: Answered, row: int, place: int) -> str:
    card_id = answered.shown[row][place]
    said = f"{answered.cosines[row][place]:.3f} {answers.held.cards[card_id].title}"
    is_right = card_id in answers.asked.right[row]
    picture = _thumb(answers.held, answers.picture_of[card_id])
    return _figure(picture, said, "right" if is_right else "wrong")


def _views(held: HeldOut) -> str:
    """One query in every way it asked, so that a reader sees what each is."""
    photo = held.queries[0]
    opened = images.load(held.home.images, photo.sha256)
    shown = "".join(
        _figure(_encoded(seen_as(view, opened, photo, drawn=held.boxes, strength=held.strength)),
                view, "asks")
        for view in VIEWS
    )  # fmt: skip
    return f"<h2>Ways to ask <small>one photo in each</small></h2><div class='strip'>{shown}</div>"


def _text(told: str) -> str:
    """Escaped, with what stands between backticks as code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(told))


def _table(table: Table) -> str:
    title, header, rows = table
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return (
        f"<h2>{html.escape(title)}</h2><div class='wide'><table><tr>{head}</tr>{body}</table></div>"
    )


def _figure(source: str, caption: str, kind: str) -> str:
    return (
        f"<figure class='{kind}'><img alt='' src='{source}'>"
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _thumb(held: HeldOut, sha256: str) -> str:
    return _encoded(images.load(held.home.images, sha256, draft_px=2 * SIDE_PX))


def _encoded(picture: Image.Image) -> str:
    small, content = picture.copy(), io.BytesIO()
    small.thumbnail((SIDE_PX, SIDE_PX))
    small.save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _inline(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
