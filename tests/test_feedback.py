"""What shoppers did becomes tables: what counts, what is left out and told, what clicks say."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from told_log import MINUTE, NOON, ToldLog, answer, event

from photosearch.catalog.schemas import ClickedPair, CuratedPhoto, Impression, WeakPair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import BadData
from photosearch.feedback.answer_outcomes import LeftOut, Outcome, outcomes
from photosearch.feedback.expectations import validate_feedback
from photosearch.feedback.impressions import impressions_of, keep_feedback, prepare_weak_pairs
from photosearch.feedback.weak_labels import Looks, clicked_pairs, pair_looks, weak_pairs
from photosearch.feedback_settings import FeedbackParams
from photosearch.home import Home
from photosearch.search.features import FEATURES
from photosearch.settings import load_params

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")
RULES = PARAMS.feedback
LOOKS = PARAMS.ranking.propensity
LATER = NOON + timedelta(hours=1)

# Great Expectations imports sre_constants and sre_parse, deprecated in Python 3.11
pytestmark = pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")


def joined(log: ToldLog, rules: FeedbackParams = RULES) -> tuple[list[Outcome], LeftOut]:
    return outcomes((one for _, one in log.answers_after(0)), log.events(), rules)


@pytest.fixture
def log() -> ToldLog:
    return ToldLog()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Photos of four cards, as curation leaves them."""
    home = Home(tmp_path)
    photos = [
        CuratedPhoto(f"{card}/gallery/0", card, "gallery", card * 64, "train", True)
        for card in "abcd"
    ]
    write_table(home.curated / "photos.parquet", CuratedPhoto, photos)
    return home


def test_all_cards_of_the_first_page_are_impressions_whatever_came_into_view(log: ToldLog):
    """How likely a rank is looked at corrects once: what came into view would correct again."""
    log.tell(answer(1), "b", seen="ab")
    (one,), left_out = joined(log)
    assert [(row.card_id, row.rank, row.is_clicked) for row in impressions_of(one)] == [
        ("a", 1, False), ("b", 2, True), ("c", 3, False), ("d", 4, False)
    ]  # fmt: skip
    assert left_out == LeftOut({}, {})


def test_cards_and_answers_beyond_the_first_page_teach_nothing(log: ToldLog):
    further = answer(2)
    log.tell(answer(1), "ad")
    log.tell(replace(further, cards=[replace(c, rank=c.rank + 4) for c in further.cards]), "b")
    (one,), left_out = joined(log, RULES.model_copy(update={"first_page": 2}))
    assert [row.card_id for row in impressions_of(one)] == ["a", "b"]
    assert one.clicked == {"a"}
    assert left_out.answers == {"later_page": 1}


@pytest.mark.parametrize("kind", ["click", "cart", "purchase"])
def test_clicks_carts_and_purchases_count_alike_and_once(log: ToldLog, kind: str):
    asked = answer(1)
    log.tell(asked, "b", seen="ab")
    log.add(event(asked, "b", kind, at=NOON + MINUTE), at=NOON + MINUTE)  # type: ignore[arg-type]
    (one,), left_out = joined(log)
    assert one.clicked == {"b"}
    assert left_out.events == ({"double": 1} if kind == "click" else {})


def test_events_that_mislead_are_left_out_and_told_by_reason(log: ToldLog):
    asked, late = answer(1), NOON + timedelta(hours=RULES.late_hours + 1)
    log.tell(asked, "b")
    for one, at in (
        (event(asked, "a", shopper="bot"), NOON),
        (event(asked, "z"), NOON),
        (event(asked, "c"), NOON - MINUTE),
        (event(asked, "d"), late),
        (event(answer(2), "a"), NOON),
        (event(asked, "a").model_copy(update={"query_id": None}), NOON),
    ):
        log.add(one, at=at)
    (one_outcome,), left_out = joined(log)
    assert one_outcome.clicked == {"b"}
    assert left_out.events == {
        "before_answer": 1, "no_answer": 1, "other_shopper": 1, "too_late": 1, "unknown_card": 1,
        "unknown_query": 1,
    }  # fmt: skip


def test_an_event_counts_by_our_clock_whatever_the_callers_says(log: ToldLog):
    asked = answer(1)
    log.told_answers.append(asked)
    log.add(event(asked, "b", at=NOON - timedelta(days=900)), at=NOON + MINUTE)
    (one,), left_out = joined(log)
    assert (one.clicked, left_out.events) == ({"b"}, {})


def test_answers_nobody_looked_at_and_machines_that_click_everything_teach_nothing(log: ToldLog):
    log.tell(answer(1))
    log.tell(answer(2), "abcd")
    kept, left_out = joined(log, RULES.model_copy(update={"clicked_most": 3}))
    assert kept == []
    assert left_out.answers == {"clicks_everything": 1, "silent": 1}


def test_a_shopper_who_asks_all_day_counts_so_often_and_begins_anew_next_day(log: ToldLog):
    for number in range(8):
        log.tell(answer(number, at=NOON + timedelta(hours=number * 3)), "a")
    log.tell(answer(99, shopper="bob"), "a")
    kept, left_out = joined(log, RULES.model_copy(update={"answers_a_shopper": 2}))
    assert [one.shopper for one in kept] == ["ann"] * 4 + ["bob"]
    assert left_out.answers == {"busy_shopper": 4}


def test_an_answer_without_features_gives_no_impressions(log: ToldLog):
    bare = answer(1)
    log.tell(replace(bare, cards=[replace(card, features={}) for card in bare.cards]), "a")
    (one,), _ = joined(log)
    assert impressions_of(one) == []


def test_a_feature_that_was_not_known_then_is_not_known_now(log: ToldLog):
    old = answer(1)
    cards = [replace(card, features={"score": 0.5, "gone": 1.0}) for card in old.cards]
    log.tell(replace(old, cards=cards), "a")
    (one,), _ = joined(log)
    features = impressions_of(one)[0].features
    assert list(features) == list(FEATURES)
    assert features["score"] == 0.5
    assert features["rating"] != features["rating"]


def test_whoever_clicked_one_photo_saw_the_others(log: ToldLog):
    log.tell(answer(1, "abc"), "a")
    log.tell(answer(2, "ab"), "ab")
    kept, _ = joined(log)
    assert clicked_pairs(kept, {}) == [
        ClickedPair("a/gallery/0", "b/gallery/0", 3, 2),
        ClickedPair("a/gallery/0", "c/gallery/0", 1, 0),
    ]


def test_a_query_photo_that_the_catalogue_has_stands_for_itself(log: ToldLog):
    log.tell(answer(1, "abc", photo_sha256="a" * 64), "b")
    kept, _ = joined(log)
    assert clicked_pairs(kept, {"a" * 64: "a/review/r/0"}) == [
        ClickedPair("a/gallery/0", "a/review/r/0", 1, 0),
        ClickedPair("a/review/r/0", "b/gallery/0", 1, 1),
        ClickedPair("a/review/r/0", "c/gallery/0", 1, 0),
    ]


def test_clicks_far_down_count_for_those_who_did_not_look():
    """A card that half of those who look click: at rank 1, and at rank 4 where one in 4 looks."""
    far = Looks(weights=400.0, squares=1600.0, clicks=50 * 4.0)
    assert (far.rate, far.worth) == (0.5, 100.0)
    assert far.bounds() == pytest.approx((0.404, 0.596), abs=1e-3)


def test_the_weight_of_a_click_is_clipped(log: ToldLog):
    ranks = [f"c{n:02d}" for n in range(40)]
    log.tell(answer(1, ranks, stars=[1.0] * 40))
    log.tell(answer(2, ranks, stars=[1.0] * 40))
    asked = answer(3, ranks, stars=[1.0] * 40, photo_sha256="q")
    log.told_answers = [asked]
    log.add(event(asked, "c39"), at=NOON)
    kept, _ = joined(log, RULES.model_copy(update={"first_page": 40}))
    sums = pair_looks(kept, {"q": "q/review/r/0"}, LOOKS)["c39/gallery/0", "q/review/r/0"]
    assert sums.clicks == pytest.approx(1 / LOOKS.least)
    assert sums.weights == pytest.approx(1 / 40 / LOOKS.least)


def test_only_pairs_of_which_clicks_say_enough_become_weak_labels():
    pairs = {
        ("a", "b"): Looks(100.0, 100.0, 80.0),
        ("a", "c"): Looks(100.0, 100.0, 2.0),
        ("a", "d"): Looks(100.0, 100.0, 30.0),
        ("b", "c"): Looks(4.0, 4.0, 4.0),
    }
    weak, undecided = weak_pairs(pairs, RULES.weak_pairs)
    assert [(one.photo_a, one.photo_b, one.answer) for one in weak] == [
        ("a", "b", "same"), ("a", "c", "different")
    ]  # fmt: skip
    assert weak[0].probability_same == pytest.approx(0.711, abs=1e-3)
    assert weak[1].probability_same == pytest.approx(0.070, abs=1e-3)
    assert undecided == {"neither": 1, "too_few_looks": 1}


def test_the_log_becomes_three_tables_that_hold_what_is_expected_of_them(home: Home, log: ToldLog):
    for number in range(80):
        log.tell(answer(number, shopper=f"s{number}"), "a", seen="abcd")
    log.tell(answer(500, at=LATER - MINUTE), "a")  # its clicks may still come
    log.tell(answer(501, at=LATER - timedelta(days=RULES.days + 1)), "a")
    report = keep_feedback(home, log, PARAMS, now=LATER)
    assert (report.answers, report.impressions, report.clicks) == (80, 320, 80)
    assert report.events_left_out == {"unknown_query": 1}  # of the answer that is not settled
    assert (report.weak_same, report.weak_different) == (0, 2)
    assert len(read_rows(home.impressions, Impression)) == 320
    assert validate_feedback(home).rows == {
        "impressions": 320, "clicked_pairs": 3, "weak_pairs": 0
    }  # fmt: skip


def test_weak_pairs_are_kept_only_where_the_head_reads_them(home: Home, log: ToldLog):
    prepare_weak_pairs(home)
    empty = home.weak_pairs.read_bytes()
    for number in range(80):
        log.tell(answer(number, shopper=f"s{number}"), "a", seen="abcd")
    keep_feedback(home, log, PARAMS, now=LATER)
    assert home.weak_pairs.read_bytes() == empty
    head = PARAMS.head.model_copy(update={"weak_pairs": 0.5})
    keep_feedback(home, log, PARAMS.model_copy(update={"head": head}), now=LATER)
    prepare_weak_pairs(home)
    assert len(read_rows(home.weak_pairs, WeakPair)) == 2


def test_the_same_log_gives_the_same_bytes(home: Home, log: ToldLog):
    for number in range(10):
        log.tell(answer(number), "ab", seen="abcd")
    written = []
    for _ in range(2):
        keep_feedback(home, log, PARAMS, now=LATER)
        written.append((home.impressions.read_bytes(), home.clicked_pairs.read_bytes()))
    assert written[0] == written[1]


def test_a_log_of_clicks_alone_is_stopped_once_it_says_something(home: Home, log: ToldLog):
    for number in range(99):
        log.tell(answer(number, "abc", shopper=f"s{number}"), "ab")
    keep_feedback(home, log, PARAMS, now=LATER)
    validate_feedback(home)
    log.tell(answer(99, "abc"), "ab")
    keep_feedback(home, log, PARAMS, now=LATER)
    with pytest.raises(BadData, match="shoppers click few of what they are shown"):
        validate_feedback(home)
