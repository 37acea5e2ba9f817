"""The gate in a home: one contest of two real models, from curated photos to the verdict."""

import dataclasses
import json

import pytest
from small_tower import png, quarters, untrained_tower

from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.model import HeadShape, Lineage, write_model
from photosearch.embedding.tokens import cache_tokens
from photosearch.evaluation.gate import hold_contest
from photosearch.evaluation.verdict_file import as_markdown, override_verdict, read_verdict
from photosearch.head_settings import TokensParams
from photosearch.home import Home
from photosearch.judging_settings import GateParams

GATE = GateParams(
    metric="recall_at_1", length=64, min_gain=0.0, confidence=0.95, slice_margin=0.02,
    category_margin=0.05, category_queries_min=10, processor_ms_max=60_000, size_mb_max=100,
)  # fmt: skip
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200)}


@pytest.fixture(scope="module")
def judged_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Three cards, tokens of an untrained tower, a candidate of 64 numbers, a champion of 32."""
    home = Home(tmp_path_factory.mktemp("gate"))
    untrained_tower(home.tower)
    photos = []
    for name, colour in COLOURS.items():
        for kind, split in (
            ("gallery/0", "train"),
            ("review/1/0", "train"),
            ("review/2/0", "test"),
        ):
            tint = tuple(part + 2 * len(photos) for part in colour)
            sha256 = images.store(home.images, png(quarters(tint, colour, tint, (0, 0, 0))))
            photos.append(
                CuratedPhoto(f"{name}/{kind}", name, kind.split("/")[0], sha256, split, True)
            )
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    cards = [Card(n, n, None, None, ["Paint"], None, None, None, n) for n in COLOURS]
    write_table(home.curated / "cards.parquet", Card, cards)
    cache_tokens(
        home, OpenClipTower(home.tower), tokens=TokensParams(views=1, form="bf16", pool=1, seed=7)
    )
    for folder, lengths in ((home.candidate, [64, 32]), (home.root / "champion", [32])):
        shape = HeadShape("mean", 512, 64, lengths)
        write_model(folder, tower=home.tower, head=shape, lineage=Lineage("d1", 0))
    return home


def test_a_contest_is_kept_with_every_check_and_not_held_twice(judged_home: Home):
    champion = judged_home.root / "champion"
    verdict = hold_contest(judged_home, GATE, champion=champion)
    names = [check.name for check in verdict.checks]
    assert names == [
        "gain", "confidence", "seen", "length 32", "small categories", "latency", "size"
    ]  # fmt: skip
    assert verdict.n_queries == 3
    assert verdict.processor_ms > 0
    assert verdict.size_mb == pytest.approx(23, abs=5)  # the tower
    assert read_verdict(judged_home) == verdict
    before = (judged_home.evaluation / "verdict.json").read_bytes()
    assert hold_contest(judged_home, GATE, champion=champion) == verdict
    assert (judged_home.evaluation / "verdict.json").read_bytes() == before
    assert json.loads(before)["reasons"] == verdict.reasons


def test_other_rules_make_another_contest(judged_home: Home):
    champion = judged_home.root / "champion"
    first = hold_contest(judged_home, GATE, champion=champion)
    strict = GATE.model_copy(update={"size_mb_max": 0.1})
    second = hold_contest(judged_home, strict, champion=champion)
    assert second.contest_id != first.contest_id
    assert "size" in [check.name for check in second.checks if not check.is_well]
    rolled_back = hold_contest(judged_home, strict, champion=champion, withdrawn="at noon: lamps")
    assert rolled_back.contest_id != second.contest_id
    assert [check.name for check in rolled_back.checks].count("withdrawn") == 1


def test_a_leak_in_a_home_is_found_by_the_contest(judged_home: Home):
    table = judged_home.curated / "photos.parquet"
    photos = read_rows(table, CuratedPhoto)
    at = next(n for n, row in enumerate(photos) if row.photo_id == "red/review/2/0")
    copy = dataclasses.replace(photos[at], sha256=photos[0].sha256)
    leaked = [*photos[:at], copy, *photos[at + 1 :]]
    write_table(table, CuratedPhoto, leaked)
    verdict = hold_contest(judged_home, GATE, champion=judged_home.root / "champion")
    write_table(table, CuratedPhoto, photos)
    assert "leak: same_bytes" in [check.name for check in verdict.checks if not check.is_well]
    assert "the first is red/review/2/0" in as_markdown(verdict)


def test_an_overridden_contest_is_not_held_again(judged_home: Home):
    champion = judged_home.root / "champion"
    strict = GATE.model_copy(update={"min_gain": 0.9})
    assert not hold_contest(judged_home, strict, champion=champion).is_promoted
    done = override_verdict(judged_home, by="Olga", because="sale tomorrow")
    assert hold_contest(judged_home, strict, champion=champion) == done
