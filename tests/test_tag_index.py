"""The tags of a release: their vectors, nearest tags, and chips of an answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_tags import PARAMS

from photosearch.catalog.schemas import CardTags, Tag
from photosearch.catalog.tables import write_table
from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import BadArtifact, BadTable
from photosearch.search.chips import chips
from photosearch.tagging import tag_index
from photosearch.tagging.generate import CARRIED, TAGS
from photosearch.tagging.tag_index import TagIndex, open_tags
from photosearch.tagging.vocabulary import Batch, write_tags

AXES = np.eye(8, dtype=np.float32)
RED, GREEN, BLUE = AXES[:3]
CARDS = {"r1": RED, "r2": RED, "g1": GREEN, "b1": BLUE}


def made_tables(folder: Path, carried: dict[str, list[str]]) -> Path:
    """Tables of the stage `tags`; Cyrillic tags are Russian."""
    texts = sorted({text for tags in carried.values() for text in tags})
    rows = [
        Tag(text, "en" if text.isascii() else "ru", sum(text in t for t in carried.values()), "t")
        for text in texts
    ]
    write_table(folder / TAGS, Tag, rows)
    write_table(
        folder / CARRIED,
        CardTags,
        [CardTags(c, sorted(map(texts.index, tags))) for c, tags in carried.items()],
    )
    return folder


def photos_of(cards: dict[str, Vectors]) -> list[Batch]:
    return [(list(cards), list(cards), np.stack(list(cards.values())))]


def opened(
    folder: Path, carried: dict[str, list[str]], cards: dict[str, Vectors] = CARDS
) -> TagIndex:
    made = made_tables(folder / "made", carried)
    write_tags(folder / "tags", made, photos_of(cards), model_id="m", params=PARAMS)
    return open_tags(folder / "tags", model_id="m")


COLOURS = {"r1": ["red", "mug"], "r2": ["red"], "g1": ["green", "mug"], "b1": ["blue", "синий"]}


def names(index: TagIndex, vector: Vectors, limit: int = 2) -> list[str]:
    return [index.text(near.row) for near in index.nearest(vector, limit=limit)]


def test_a_tag_is_near_to_the_cards_that_carry_it(tmp_path: Path):
    index = opened(tmp_path, COLOURS)
    assert names(index, RED, 1) == ["red"]
    assert names(index, GREEN, 1) == ["green"]
    assert names(index, BLUE) == ["blue", "синий"]  # equal cosines in the order of the table
    assert index.nearest(RED, limit=1)[0].cosine == pytest.approx(1, abs=0.01)
    assert len(index.nearest(RED, limit=99)) == len(index)


def test_a_longer_query_counts_by_its_beginning(tmp_path: Path):
    index = opened(tmp_path, COLOURS)
    longer = unit(np.concatenate([RED, np.full(8, 0.5, np.float32)]))
    assert names(index, longer, 1) == ["red"]


def test_a_tag_whose_cards_are_gone_is_near_to_nothing(tmp_path: Path):
    index = opened(tmp_path, COLOURS | {"old": ["ancient"]})
    (row,) = [row for row in range(len(index)) if index.text(row) == "ancient"]
    assert index.cosines_of(np.array([row], np.int32), RED).tolist() == [0]


def test_cards_say_what_they_carry(tmp_path: Path):
    index = opened(tmp_path, COLOURS)
    assert [index.text(row) for row in index.carried.of("r1").tolist()] == ["mug", "red"]
    assert len(index.carried.of("unknown")) == 0


def test_tags_of_another_model_and_broken_ones_are_refused(tmp_path: Path):
    opened(tmp_path, COLOURS)
    with pytest.raises(BadArtifact, match=r"model m, not of other.*photosearch index"):
        open_tags(tmp_path / "tags", model_id="other")
    np.save(tmp_path / "tags" / "vectors.npy", np.zeros((1, 8), np.float16))
    with pytest.raises(BadArtifact, match=r"no whole tags.*\(1, 8\)"):
        open_tags(tmp_path / "tags", model_id="m")


def test_a_home_without_tags_is_told(tmp_path: Path):
    with pytest.raises(BadTable, match="Run the stage that writes it"):
        write_tags(tmp_path / "tags", tmp_path, [], model_id="m", params=PARAMS)


def test_many_tags_are_found_by_codes_and_few_are_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    dice = np.random.default_rng(7)
    cards = {f"c{n}": vector for n, vector in enumerate(unit(dice.normal(size=(2000, 8))))}
    index = opened(tmp_path, {card_id: [f"tag of {card_id}"] for card_id in cards}, cards)
    queries = list(cards.values())[:50]
    exact = [set(names(index, query, 10)) for query in queries]
    monkeypatch.setattr(tag_index, "EXACT_UP_TO", 100)

    def share_found(shortlist: int) -> float:
        monkeypatch.setattr(tag_index, "SHORTLIST", shortlist)
        by_codes = [set(names(index, query, 10)) for query in queries]
        return sum(len(a & b) for a, b in zip(by_codes, exact, strict=True)) / 500

    assert 0.3 < share_found(16) < share_found(200)
    assert share_found(200) > 0.9


FOUND = ["c1", "c2", "c3", "c4"]
CARRIED_BY_FOUND = {
    "c1": ["mug", "red", "tall", "высокая"],
    "c2": ["mug", "red", "dots"],
    "c3": ["mug", "green", "tall", "высокая"],
    "c4": ["mug", "green"],
    "other": ["blue"],
}
NEAR_RED = {name: unit(RED + 0.5 * AXES[n + 3]) for n, name in enumerate(FOUND)} | {"other": BLUE}


def told(found: Sequence[object]) -> list[tuple[object, ...]]:
    return [(chip.tag, chip.kind, chip.n_found) for chip in found]  # type: ignore[attr-defined]


def test_chips_split_the_answer_and_none_says_what_another_says(tmp_path: Path):
    index = opened(tmp_path, CARRIED_BY_FOUND, NEAR_RED)
    found = chips(index, unit(RED), FOUND, limit=6, language="en")
    splitting = {chip.tag for chip in found if chip.n_found}
    assert "mug" not in splitting  # all of them carry it
    assert splitting == {"red", "green", "tall", "dots"}
    both = chips(index, unit(RED), FOUND, limit=8, language=None)
    assert len({"tall", "высокая"} & {chip.tag for chip in both}) == 1  # the same cards


def test_chips_are_of_the_wanted_language_and_number(tmp_path: Path):
    index = opened(tmp_path, CARRIED_BY_FOUND, NEAR_RED)
    assert told(chips(index, unit(RED), FOUND, limit=4, language="ru")) == [("высокая", "near", 2)]
    assert len(chips(index, unit(RED), FOUND, limit=2, language="en")) == 2


def test_without_found_cards_chips_are_what_is_near(tmp_path: Path):
    index = opened(tmp_path, COLOURS)
    assert told(chips(index, BLUE, [], limit=2, language="en")) == [("blue", "near", 0)]


def test_the_same_question_gives_the_same_chips(tmp_path: Path):
    index = opened(tmp_path, CARRIED_BY_FOUND, NEAR_RED)
    first = chips(index, unit(RED), FOUND, limit=6, language=None)
    assert chips(index, unit(RED), FOUND, limit=6, language=None) == first
