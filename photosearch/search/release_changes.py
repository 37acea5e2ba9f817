"""What the curated catalogue has that a release has not, in columns: a million rows in seconds."""

from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import rows_of
from photosearch.index.filters import Listing

PHOTO_KEY = ["photo_id", "card_id", "sha256"]
"""What makes a photo of the index another one."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How to come from a release to the catalogue of now."""

    new: list[CuratedPhoto]
    """To be embedded: photos that are new, or whose picture is another."""
    gone: list[str]
    """Ids of photos that are no longer there."""
    cards: list[Card]
    """Cards whose listing is another: price, rating, status, ...; their photos keep vectors."""


def changes_between(photos: tuple[pa.Table, pa.Table], cards: tuple[pa.Table, pa.Table]) -> Changes:
    """Compares the photos of an index and the cards they show, each before and now."""
    new = rows_missing_from(photos[0], photos[1], PHOTO_KEY)
    left = rows_missing_from(photos[1], photos[0], PHOTO_KEY)
    replaced = pc.is_in(left["photo_id"], value_set=new["photo_id"].combine_chunks())
    listings_before, listings_now = _listings(cards[0]), _listings(cards[1])
    changed = rows_missing_from(listings_before, listings_now, ["card_id", "said"])
    known = pc.is_in(changed["card_id"], value_set=cards[0]["card_id"].combine_chunks())
    rows = pc.sort_indices(changed.filter(known)["row"])
    return Changes(
        new=sorted(rows_of(new, CuratedPhoto), key=lambda photo: photo.photo_id),
        gone=sorted(left.filter(pc.invert(replaced))["photo_id"].to_pylist()),
        cards=list(rows_of(cards[1].take(changed.filter(known)["row"].take(rows)), Card)),
    )


def rows_missing_from(before: pa.Table, now: pa.Table, key: list[str]) -> pa.Table:
    """Rows of `now` that `before` has not; no key may be null, for a null equals nothing."""
    plain = now.select(key).append_column("number", pa.array(range(len(now)), pa.int64()))
    found = plain.join(before.select(key), keys=key, join_type="left anti")
    return now.take(found["number"])


def _listings(cards: pa.Table) -> pa.Table:
    """A row a card: its id, all that an index knows of it as one text, its row number."""
    told = [as_text(cards[field.name]) for field in fields(Listing)]
    said = pc.binary_join_element_wise(*told, "\x1e")
    numbers = pa.array(range(len(cards)), pa.int64())
    return pa.table({"card_id": cards["card_id"], "said": said, "row": numbers})


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value as a text, lists and nulls too."""
    if pa.types.is_list(column.type):
        column = pc.binary_join(column, "\x1f")
    return pc.fill_null(pc.cast(column, pa.string()), "\x00")
