"""A home learns from its own log of events: the real store, the tables, the state in use."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from told_log import answer, event

from photosearch.assembly_events import events_of
from photosearch.assembly_feedback import keep_feedback_tables, learn_online
from photosearch.catalog.schemas import CuratedPhoto, Impression
from photosearch.catalog.tables import read_rows, write_table
from photosearch.feedback.online_learning import read_learner
from photosearch.feedback.store import EventStore
from photosearch.home import Home
from photosearch.search.features import FEATURES, named
from photosearch.settings import Services, Settings, load_params

PARAMS = load_params(Path(__file__).parents[1] / "params.yaml")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home in which answers settle at once, as a clock cannot be waited for."""
    feedback = PARAMS.feedback.model_copy(update={"settle_minutes": 1e-9, "judged_min": 20})
    home = Home(tmp_path)
    write_table(home.curated / "photos.parquet", CuratedPhoto, [])
    params = PARAMS.model_copy(update={"feedback": feedback})
    return Settings(home=home, params=params, services=Services())


@pytest.fixture
def store(settings: Settings) -> Iterator[EventStore]:
    with closing(events_of(settings)) as store:
        yield store


def shop(store: EventStore, numbers: range) -> None:
    """Shoppers who each see four cards and click the one with the most stars."""
    for number in numbers:
        now = datetime.now(UTC) - timedelta(seconds=1)
        told = answer(number, at=now, shopper=f"s{number}")
        store.log_answer(told)
        seen = [event(told, card_id, "impression", at=now) for card_id in "abcd"]
        store.keep([*seen, event(told, "d", at=now)])


def test_what_shoppers_did_becomes_tables_and_a_state_in_use(settings: Settings, store: EventStore):
    shop(store, range(60))
    tables, learned = keep_feedback_tables(settings), learn_online(settings)
    assert (tables.answers, tables.impressions, tables.clicks) == (60, 240, 60)
    assert len(read_rows(settings.home.impressions, Impression)) == 240
    assert (learned.answers, learned.verdict) == (60, "better")


def test_learning_goes_on_where_it_stopped_in_the_log(settings: Settings, store: EventStore):
    assert learn_online(settings).answers == 0
    shop(store, range(5))
    assert learn_online(settings).answers == 5
    shop(store, range(5, 8))
    assert learn_online(settings).answers == 3
    assert learn_online(settings).answers == 0
    assert read_learner(settings.home.states).state.n_answers == 8


def test_a_feature_that_is_not_known_survives_the_log(settings: Settings, store: EventStore):
    told = answer(1, at=datetime.now(UTC) - timedelta(seconds=1))
    row = named(np.array([0.5, np.nan] + [0.25] * (len(FEATURES) - 2)))
    store.log_answer(replace(told, cards=[replace(card, features=row) for card in told.cards]))
    store.keep([event(told, "b", at=told.at)])
    keep_feedback_tables(settings)
    features = read_rows(settings.home.impressions, Impression)[0].features
    assert features["cosine"] == 0.5
    assert np.isnan(features["cosine_short"])
