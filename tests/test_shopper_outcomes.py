"""What a shopper of an experiment did: what is counted, when, and whose answers are passed over."""

from datetime import timedelta

from shopping import NOON, Log, experiment

from photosearch.feedback.readout import read_out
from photosearch.feedback.shopper_outcomes import COLUMNS, outcomes

HOUR = timedelta(hours=1)
LATER = NOON + 30 * HOUR


def one_row(log: Log, now=LATER) -> dict[str, float]:
    done = outcomes(log.experiment, log.answers, log.events, now=now)
    return dict(zip(COLUMNS, done.table[0].tolist(), strict=True))


def test_a_shoppers_numbers_are_sums_over_their_answers():
    log = Log(experiment())
    first, second = log.answer("ann", NOON), log.answer("ann", NOON + HOUR)
    for card in ("c1", "c2", "c3"):
        log.event("impression", first, NOON, shopper="ann", card=card)
    for after_s, card in ((4, "c1"), (9, "c2"), (20, "c1")):
        log.event("click", first, NOON + timedelta(seconds=after_s), shopper="ann", card=card)
    log.event("impression", second, NOON + HOUR, shopper="ann")
    log.event("view", first, NOON + HOUR, shopper="ann", view_ms=3_000)
    log.event("view", first, NOON + HOUR, shopper="ann", view_ms=7_200_000)
    log.event("purchase", None, NOON + HOUR, shopper="ann")
    assert one_row(log) == {
        "answers": 2, "answers_clicked": 1, "seen": 4, "clicked": 2, "first_click_s": 4,
        "last_click_s": 20, "view_s": 603, "carts": 0, "purchases": 1,
    }  # fmt: skip


def test_all_pages_of_a_search_are_one_answer():
    log = Log(experiment())
    log.answer("ann", NOON)
    second = log.answer("ann", NOON + timedelta(seconds=30), first=11)
    third = log.answer("ann", NOON + timedelta(seconds=60), first=21)
    log.answer("ann", NOON + HOUR)
    log.event("impression", second, NOON + timedelta(seconds=31), shopper="ann", card="c11")
    log.event("click", third, NOON + timedelta(seconds=70), shopper="ann", card="c25")
    told = one_row(log)
    assert (told["answers"], told["answers_clicked"]) == (2, 1)
    assert told["first_click_s"] == 70


def test_a_page_whose_search_is_not_in_the_log_is_an_answer_of_its_own():
    log = Log(experiment())
    log.answer("ann", NOON, first=11)
    log.answer("ann", NOON + HOUR)
    assert one_row(log)["answers"] == 2


def test_a_wrong_clock_and_late_events_do_not_change_the_time_to_a_click():
    log = Log(experiment(), clock_behind=timedelta(hours=-7))
    shown = log.answer("ann", NOON)
    log.event("impression", shown, NOON + timedelta(seconds=1), shopper="ann")
    log.event("click", shown, NOON + timedelta(seconds=5), shopper="ann", late_s=60)
    assert one_row(log)["first_click_s"] == 5


def test_clocks_of_another_century_stop_nothing():
    log = Log(experiment())
    shown = log.answer("ann", NOON)
    for behind in (timedelta(days=9_000), timedelta(days=-26_000)):
        log.clock_behind = behind
        log.event("click", shown, NOON + timedelta(seconds=5), shopper="ann")
    assert one_row(log)["answers_clicked"] == 1


def test_events_of_others_and_of_other_answers_are_no_clicks():
    log = Log(experiment())
    anns, bobs = log.answer("ann", NOON), log.answer("bob", NOON + HOUR)
    log.event("click", bobs, NOON + HOUR, shopper="ann")
    log.event("click", "f" * 32, NOON + HOUR, shopper="ann")
    log.event("click", anns, NOON + HOUR, shopper="eve")
    assert one_row(log)["answers_clicked"] == 0


def test_a_number_never_changes_once_its_window_is_over():
    log = Log(experiment())
    shown = log.answer("ann", NOON)
    log.event("click", shown, NOON + HOUR, shopper="ann")
    before = one_row(log)
    late = log.answer("ann", NOON + 25 * HOUR)
    log.event("click", late, NOON + 25 * HOUR, shopper="ann")
    log.event("click", shown, NOON + 2 * HOUR, shopper="ann", late_s=25 * 3600)
    log.event("purchase", None, NOON + 26 * HOUR, shopper="ann")
    assert one_row(log) == before


def test_a_shopper_counts_once_their_window_is_over_and_not_if_the_end_cut_it():
    log = Log(experiment())
    log.answer("ann", NOON)

    def counted(now, ended=None) -> list[bool]:
        trial = log.experiment.model_copy(update={"stopped_at": ended})
        return outcomes(trial, log.answers, log.events, now=now).is_over.tolist()

    assert counted(NOON + 23 * HOUR) == [False]
    assert counted(NOON + 24 * HOUR) == [True]
    assert counted(NOON + 48 * HOUR, ended=NOON + HOUR) == [False]


def test_other_experiments_and_nobodies_answers_are_passed_over():
    log = Log(experiment())
    log.answer("ann", NOON)
    elsewhere = experiment().model_copy(
        update={"plan": log.experiment.plan.model_copy(update={"name": "other"})}
    )
    assert len(outcomes(elsewhere, log.answers, [], now=LATER).arms) == 0


def test_who_was_answered_by_two_arms_is_left_out_and_spoils_the_verdict():
    log = Log(experiment())
    log.answer("ann", NOON, arm="now")
    log.answer("ann", NOON + HOUR, arm="new")
    log.answer("bob", NOON + HOUR)
    done = outcomes(log.experiment, log.answers, [], now=LATER)
    told = read_out(log.experiment, done, now=LATER)
    assert (len(done.arms), done.moved) == (1, 1)
    assert told.state == "not_to_be_trusted"
    assert "1 shoppers were answered by two arms" in told.verdict
