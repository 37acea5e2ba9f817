"""Where settings become what learns from shoppers."""

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from photosearch.assembly_events import events_of
from photosearch.settings import Settings

if TYPE_CHECKING:
    from photosearch.feedback.impressions import FeedbackReport
    from photosearch.feedback.online_learning import OnlineReport


def keep_feedback_tables(settings: Settings) -> "FeedbackReport":
    """The log of events as the tables that training reads."""
    from photosearch.feedback.impressions import keep_feedback

    with closing(events_of(settings)) as log:
        return keep_feedback(settings.home, log, settings.params, now=datetime.now(UTC))


def learn_online(settings: Settings) -> "OnlineReport":
    """The log of events as the next state of the online re-ranker."""
    from photosearch.feedback.online_learning import learn_from_log

    params = settings.params
    with closing(events_of(settings)) as log:
        return learn_from_log(
            settings.home.states, log, params.ranking, params.feedback, now=datetime.now(UTC)
        )
