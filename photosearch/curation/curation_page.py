"""One page of HTML that shows what curation left out: counts, thresholds and examples by rule."""

import base64
import html
import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from photosearch.catalog import images
from photosearch.catalog.schemas import CuratedPhoto, Photo, Rejected
from photosearch.catalog.tables import read_rows
from photosearch.curation.quality import CurationQuality, share, together
from photosearch.errors import BadPhoto
from photosearch.home import Home
from photosearch.settings import CurationParams

EXAMPLES = 12
SIDE_PX = 120
MEANINGS: dict[str, tuple[str, str]] = {
    "unknown_card": ("its card is not in the snapshot", ""),
    "too_small": ("its shorter side has too few pixels", "min_side_px"),
    "exact_duplicate": ("the same bytes as another photo", ""),
    "shared_by_cards": ("many products show the same bytes", ""),
    "unreadable": ("no readable image", ""),
    "too_dark": ("even the bright pixels are dark", "dark_light_max"),
    "blurred": ("even the steepest edges are shallow", "blurred_sharpness_max"),
    "screenshot": ("a drawn page full of text", "screenshot_text_min"),
    "banner": ("a drawn page with little text", "page_line_min"),
    "collage": ("a seam from edge to edge", "collage_line_min"),
    "near_duplicate": ("the same photo, saved, cropped or lit anew", "near_duplicate_likeness"),
    "card_without_photos": ("its card keeps no gallery picture", ""),
    "not_a_product": ("its like are at many cards, and at home at none", "belonging_min"),
    "wrong_product": ("it resembles another product more", "belonging_min"),
    "person": ("skin in the middle, and not like its card", "person_belonging_min"),
    "semantic_duplicate": ("the tower sees the same photo", "semantic_duplicate_cosine"),
}
"""What each reason says in words, and the name of its threshold in params.yaml."""
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
h2 { margin: 2.5rem 0 0; } h2 small { font-weight: 400; opacity: .7; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(15.5rem, 1fr)); }
.photos { gap: 1rem; }
figure { margin: 0; } figure div { display: flex; gap: 4px; height: 120px; }
img { max-width: 120px; max-height: 120px; object-fit: contain; }
img + img { opacity: .75; }
figcaption { font-size: .75rem; overflow-wrap: anywhere; }
"""


@dataclass(frozen=True, slots=True)
class _Tables:
    photos: dict[str, Photo]
    stays: dict[str, str]
    """sha256 of the first gallery picture that stays, by card_id."""
    by_rule: dict[str, list[Rejected]]
    n_curated: int


def curation_page(
    home: Home, params: CurationParams, *, quality: CurationQuality | None = None
) -> str:
    """The page, with its pictures in it: it needs no other file and no network.

    Each example stands beside a gallery picture that its card keeps. Examples go from the clearest
    to the most doubtful, which is nearest to the threshold.

    Args:
        home: After `curate`.
        params: That it ran with.
        quality: Where the truth is known.
    """
    tables = _read(home)
    measured = {rule.rule: rule for rule in quality.rules} if quality else {}
    rows = "".join(
        f'<tr><td><a href="#{name}">{name}</a></td><td>{MEANINGS.get(name, ("", ""))[0]}</td>'
        f'<td>{_threshold(name, params)}</td><td class="n">{len(rejected)}</td>'
        f'<td class="n">{share(measured[name].precision) if name in measured else ""}</td>'
        f'<td class="n">{share(measured[name].recall) if name in measured else ""}</td></tr>'
        for name, rejected in tables.by_rule.items()
    )
    sections = "".join(
        f'<h2 id="{name}">{name} <small>{MEANINGS.get(name, ("", ""))[0]}, {len(rejected)}'
        f'</small></h2><div class="photos">{_examples(home, tables, rejected)}</div>'
        for name, rejected in tables.by_rule.items()
    )
    n_out = sum(map(len, tables.by_rule.values()))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Curation</title>'
        f"<style>{STYLE}</style><h1>What curation left out</h1>"
        f"<p>{tables.n_curated} photos stay, {n_out} do not.</p>{_quality_line(quality)}"
        "<table><tr><th>rule</th><th>what it says</th><th>threshold</th><th class='n'>photos</th>"
        f"<th class='n'>precision</th><th class='n'>recall</th></tr>{rows}</table>"
        f"{sections}</html>\n"
    )


def _read(home: Home) -> _Tables:
    photos = read_rows(home.catalog / "photos.parquet", Photo)
    curated = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    by_rule: dict[str, list[Rejected]] = defaultdict(list)
    for row in read_rows(home.rejected, Rejected):
        by_rule[row.reason].append(row)
    galleries = (photo for photo in reversed(curated) if photo.kind == "gallery")
    order = {name: place for place, name in enumerate(MEANINGS)}
    return _Tables(
        {photo.photo_id: photo for photo in photos},
        {photo.card_id: photo.sha256 for photo in galleries},
        dict(sorted(by_rule.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))),
        len(curated),
    )


def _examples(home: Home, tables: _Tables, rejected: Sequence[Rejected]) -> str:
    """At most `EXAMPLES`, evenly over the scores."""
    ordered = sorted(rejected, key=lambda row: (row.score or 0, row.photo_id))
    n = min(EXAMPLES, len(ordered))
    chosen = [ordered[place * len(ordered) // n] for place in range(n)]
    return "".join(_figure(home, tables, row) for row in chosen)


def _figure(home: Home, tables: _Tables, row: Rejected) -> str:
    photo = tables.photos.get(row.photo_id)
    shown = [photo.sha256 if photo else None, tables.stays.get(row.card_id)]
    pictures = "".join(_picture(home.images, sha256) for sha256 in shown if sha256)
    score = "" if row.score is None else f" · {row.score:.3g}"
    return (
        f"<figure><div>{pictures}</div>"
        f"<figcaption>{html.escape(row.photo_id)}{score}</figcaption></figure>"
    )


def _picture(images_dir: Path, sha256: str) -> str:
    try:
        image = images.load(images_dir, sha256, draft_px=2 * SIDE_PX)
    except BadPhoto:  # left out for that very reason
        return ""
    image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=75)
    return (
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}">'
    )


def _threshold(name: str, params: CurationParams) -> str:
    key = MEANINGS.get(name, ("", ""))[1]
    return f"<code>{key}: {getattr(params, key):g}</code>" if key else ""


def _quality_line(quality: CurationQuality | None) -> str:
    if quality is None:
        return ""
    all_strangers = together(quality.rules)
    return (
        f"<p>Truth known: {quality.clean_lost} of {quality.clean} clean photos lost. Photos of "
        f"something else (person, not_a_product, wrong_product together): precision "
        f"{share(all_strangers.precision)}, recall {share(all_strangers.recall)}.</p>"
    )
