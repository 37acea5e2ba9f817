"""Shoppers' events become tables, the online re-ranker's next state, and a ranker on trial."""

from pathlib import Path

from prefect import flow, task

from flows.checks import check_tables
from flows.release_model import rank
from flows.retries import only_for
from flows.shown import show_table
from flows.versions import commit_data
from photosearch.assembly import load_settings
from photosearch.assembly_feedback import keep_feedback_tables, learn_online
from photosearch.errors import EventsUnavailable
from photosearch.feedback.impressions import FeedbackReport
from photosearch.feedback.online_learning import OnlineReport
from photosearch.home import Home


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=only_for(EventsUnavailable))
def keep_tables(home: Home) -> FeedbackReport:
    """Joins events with the answers they speak of; what misleads is left out and counted."""
    return keep_feedback_tables(load_settings(home.root))


@task
def commit_tables(home: Home, report: FeedbackReport) -> bool:
    """Tracks the tables in data.dvc, as labels are; False if nobody clicked since."""
    return commit_data(home, f"Bring {report.clicks} clicks in {report.answers} answers")


@task(retries=2, retry_delay_seconds=[10, 60], retry_condition_fn=only_for(EventsUnavailable))
def learn_state(home: Home) -> OnlineReport:
    """Learns from what it has not learned from; what ranks worse than none is not used."""
    return learn_online(load_settings(home.root))


@flow(name="learn-from-feedback")
def learn_from_feedback(home: Path) -> OnlineReport:
    """Brings tables, online re-ranker and ranker up to date; the next release takes the ranker."""
    report = keep_tables(Home(home))
    check_tables(Home(home), "feedback")
    commit_tables(Home(home), report)
    show_table("feedback", report)
    learned = learn_state(Home(home))
    show_table("online-reranker", learned)
    rank(Home(home))
    return learned
