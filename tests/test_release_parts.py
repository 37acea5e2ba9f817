"""What a release carries beside model and index: written with it, renewed with it, opened by it."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_shop import CALIBRATION, SmallShop, colour, jpeg, open_shop, painted
from test_release_folder import RECIPE, home, next_second, release

from photosearch.assembly_search import Eyes, complete
from photosearch.errors import BadArtifact
from photosearch.evaluation.calibration import save_calibration
from photosearch.home import Home
from photosearch.index.vector_index import ExactIndex
from photosearch.policy_settings import ModerationParams, PoliciesParams
from photosearch.report import write_text
from photosearch.search.enrich import CardFactsTable
from photosearch.search.moderation import Flag, write_moderation
from photosearch.search.pipeline import SearchPipeline
from photosearch.search.policies import save_policies
from photosearch.search.query import SearchRequest
from photosearch.search.release_recipe import Part, Recipe

__all__ = ["home"]
OFF = ModerationParams(adult=2, weapon=2, drugs=2, tobacco=2, offensive=2)
PLAIN = PoliciesParams(
    sold_out=[], hidden=["hidden"], one_a_group=True, duplicate_cosine=2, one_seller_most=0,
    seller_window=0, moderation=OFF,
)  # fmt: skip
RED = SearchRequest(jpeg(painted(colour("red"))), explain=True)


def with_part(made_of: str) -> Recipe:
    def write(folder: Path, index: ExactIndex, _: Path | None) -> None:
        write_text(folder / "counted", f"{made_of}: {index.count()} photos")

    return replace(RECIPE, parts=(Part("counted", made_of, write),))


def test_a_part_is_written_over_the_proved_index_and_named_in_the_manifest(home: Home):
    made = release(home, with_part("v1"))
    assert (made.folder / "counted").read_text() == "v1: 5 photos"
    assert made.manifest.parts == {"counted": "v1"}


def test_a_part_made_of_something_else_makes_another_release(home: Home):
    first = release(home, with_part("v1"))
    assert release(home, with_part("v1")).folder == first.folder
    next_second()
    assert release(home, with_part("v2")).folder != first.folder


@pytest.fixture
def shop(tmp_path: Path) -> SmallShop:
    return open_shop(tmp_path / "shop")


def completed(shop: SmallShop) -> SearchPipeline:
    cards = CardFactsTable(shop.release.cards, shop.release.thumbnail_table)
    nobody = Eyes(lambda _: lambda _: list, room=None, wait_ms=0)  # type: ignore[arg-type]
    return complete(shop.pipeline, shop.release, cards=cards, index=ExactIndex(64), eyes=nobody)


def test_a_release_without_parts_searches_as_it_always_did(shop: SmallShop):
    told = [card.model_dump() for card in completed(shop).answer(RED).cards]
    assert told == [card.model_dump() for card in shop.pipeline.answer(RED).cards]


def test_rules_of_a_release_leave_cards_out_and_say_why(shop: SmallShop):
    save_policies(shop.release.folder, PLAIN)
    write_moderation(shop.release.folder, [Flag("red", "red/gallery/0", "adult", 0.3)])
    answer = completed(shop).answer(RED)
    assert "red" not in [card.card.card_id for card in answer.cards]
    (dropped,) = answer.dropped
    assert (dropped.card_id, dropped.reasons[-1].what) == ("red", "moderation_adult")


def test_probabilities_are_of_the_score_and_a_release_of_before_has_none(shop: SmallShop):
    save_calibration(shop.release.folder, CALIBRATION)
    of_scores = replace(shop.release.manifest, calibrated_by="score")
    sure = completed(replace(shop, release=replace(shop.release, manifest=of_scores))).answer(RED)
    assert (sure.cards[0].probability, sure.is_confident) == (1.0, True)
    write_text(shop.release.calibration, '{"abstention": {"cosine": 0.8}}')  # as it was then
    before = completed(shop).answer(RED)
    assert (before.cards[0].probability, before.is_confident) == (None, None)


def test_damaged_rules_are_told_and_not_left_aside(shop: SmallShop):
    write_text(shop.release.folder / "policies.json", '{"hidden": 3}')
    with pytest.raises(BadArtifact, match=r"holds no policies .*photosearch index"):
        completed(shop)
