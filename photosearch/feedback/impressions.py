"""The stage that turns the log of events into the tables that training reads.

data/events/impressions.parquet    what answers showed and what was clicked: for the ranker
data/events/clicked_pairs.parquet  photos that the same shoppers clicked or did not: to ask people
data/events/weak_pairs.parquet     those of which clicks say enough: for the head

No table tells who a shopper was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from photosearch.catalog.schemas import ClickedPair, CuratedPhoto, Impression, WeakPair
from photosearch.catalog.tables import read_rows, write_table
from photosearch.feedback.answer_outcomes import EventLog, LeftOut, Outcome, outcomes
from photosearch.feedback.weak_labels import clicked_pairs, pair_looks, weak_pairs
from photosearch.home import Home
from photosearch.search.features import FEATURES, row_of
from photosearch.settings import Params

CARDS_MIN = 2
"""Of a single card no order can be learned."""


@dataclass(frozen=True, slots=True)
class FeedbackReport:
    answers: int
    """Somebody looked at, in the time that counts."""
    impressions: int
    clicks: int
    without_features: int
    """Answers that no ranker took part in: they teach no ranker."""
    clicked_pairs: int
    weak_same: int
    weak_different: int
    weak_undecided: dict[str, int]
    """Pairs of which clicks do not say enough, by reason."""
    events_left_out: dict[str, int]
    """By reason: see `LeftOut`."""
    answers_left_out: dict[str, int]


def keep_feedback(home: Home, log: EventLog, params: Params, *, now: datetime) -> FeedbackReport:
    """Reads the log and writes the three tables anew; holds the events of its time in memory.

    Weak pairs are counted, and kept only where the head reads them: DVC would train it anew for a
    table that changes nothing.

    Args:
        home: After `curate`, whose photos name what query photos show.
        log: Events and answers.
        params: `feedback`, `ranking.propensity` and `head.weak_pairs`.
        now: UTC; answers younger than `settle_minutes` wait for the next run.

    Raises:
        BadTable: There are no curated photos.
    """
    rules, looks = params.feedback, params.ranking.propensity
    first, last = now - timedelta(days=rules.days), now - timedelta(minutes=rules.settle_minutes)
    answers = (answer for _, answer in log.answers_after(0) if first <= answer.at <= last)
    events = (one for one in log.events() if one.received_at >= first)
    kept, left_out = outcomes(answers, events, rules)
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    photo_of_content = {photo.sha256: photo.photo_id for photo in photos}
    shown = [rows for one in kept if (rows := impressions_of(one))]
    looked = pair_looks(kept, photo_of_content, looks)
    weak, undecided = weak_pairs(looked, rules.weak_pairs)
    pairs = clicked_pairs(kept, photo_of_content)
    write_table(home.impressions, Impression, (row for rows in shown for row in rows))
    write_table(home.clicked_pairs, ClickedPair, pairs)
    write_table(home.weak_pairs, WeakPair, weak if params.head.weak_pairs else [])
    return _report(kept, left_out, shown, pairs=len(pairs), weak=weak, undecided=undecided)


def prepare_weak_pairs(home: Home) -> None:
    """Writes an empty table where there is none: training depends on it, clicks or not."""
    if not home.weak_pairs.exists():
        write_table(home.weak_pairs, WeakPair, [])


def impressions_of(outcome: Outcome) -> list[Impression]:
    """The cards of an answer's first page; none where their features were not logged.

    A feature that this version has and the logged answer had not is not known: NaN.
    """
    shown = [card for card in outcome.cards if card.features]
    if len(shown) < CARDS_MIN:
        return []
    return [
        Impression(
            outcome.answer.query_id,
            card.card_id,
            card.rank,
            card.card_id in outcome.clicked,
            dict(zip(FEATURES, row_of(card.features), strict=True)),
            outcome.answer.release,
        )
        for card in shown
    ]


def _report(  # noqa: PLR0913 - counts have names
    kept: Sequence[Outcome],
    left_out: LeftOut,
    shown: Sequence[Sequence[Impression]],
    *,
    weak: Sequence[WeakPair],
    undecided: Mapping[str, int],
    pairs: int,
) -> FeedbackReport:
    same = sum(pair.answer == "same" for pair in weak)
    return FeedbackReport(
        answers=len(kept),
        impressions=sum(map(len, shown)),
        clicks=sum(len(one.clicked) for one in kept),
        without_features=len(kept) - len(shown),
        clicked_pairs=pairs,
        weak_same=same,
        weak_different=len(weak) - same,
        weak_undecided=dict(undecided),
        events_left_out=left_out.events,
        answers_left_out=left_out.answers,
    )
