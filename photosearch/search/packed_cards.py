"""What is shown of each card as one piece of JSON, a million in a row; knows no search.

A search takes a hundred out of it, and finds none of them in the processor's caches once it has
waited for its model: in columns a card is a miss or two for each of them, here for all together.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from photosearch.search.schemas import CardFacts

AT_ONCE = 10_000
"""Cards packed together: on the way they take several times as much as in the end."""
TEXT = pa.large_string()
ESCAPED = (ord("\\"), ord('"'), *range(ord(" ")))
"""Letters that JSON has in another way; the first is in that of the others."""


class PackedCards:
    """Facts of all cards, by row."""

    def __init__(self, cards: pa.Table, thumbnails: pa.Array) -> None:
        """Packs them.

        Args:
            cards: Rows of cards.parquet.
            thumbnails: Where each card's picture is served; null where it has none.
        """
        table = cards.append_column("thumbnail", thumbnails).select([*CardFacts.model_fields])
        self._written, lengths = bytearray(), [np.zeros(1, np.int64)]
        for at in range(0, len(table), AT_ONCE):
            packed = _packed(table.slice(at, AT_ONCE))
            self._written += memoryview(packed.buffers()[2])
            lengths.append(pc.binary_length(packed).to_numpy())
        self._ends = np.cumsum(np.concatenate(lengths))

    def of(self, rows: Sequence[int]) -> list[CardFacts]:
        """Facts of the cards in these rows, in their order."""
        starts = np.array(rows, np.int64)
        spans = zip(self._ends[starts].tolist(), self._ends[starts + 1].tolist(), strict=True)
        return [CardFacts.model_validate_json(self._written[start:end]) for start, end in spans]


def _packed(table: pa.Table) -> pa.Array:
    """Each row as a JSON object."""
    parts: list[pa.Array | pa.Scalar] = []
    for name in table.column_names:
        told = pc.fill_null(_json(table[name].combine_chunks()), "null")
        parts += [_text(f',"{name}":' if parts else f'{{"{name}":'), told]
    return _joined(*parts, _text("}"))


def _json(column: pa.Array) -> pa.Array:
    """Each value as JSON, null where there is none."""
    if pa.types.is_list(column.type):
        steps = pa.ListArray.from_arrays(column.offsets, pc.cast(_json(column.values), pa.string()))
        return _joined(_text("["), pc.cast(pc.binary_join(steps, ","), TEXT), _text("]"))
    if pa.types.is_string(column.type):
        return _joined(_text('"'), _escaped(column), _text('"'))
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    return pc.cast(column, TEXT)


def _escaped(column: pa.Array) -> pa.Array:
    texts = pc.cast(column, TEXT)
    letters = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    is_there = np.bincount(letters, minlength=256) > 0
    for code in ESCAPED:
        if is_there[code]:
            texts = pc.replace_substring(texts, chr(code), f"\\u{code:04x}")
    return texts


def _joined(*parts: pa.Array | pa.Scalar) -> pa.Array:
    return pc.binary_join_element_wise(*parts, _text(""))


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, TEXT)
