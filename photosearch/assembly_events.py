"""Where settings become the log of events; reaches no torch."""

import logging
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from photosearch.home import Home
from photosearch.settings import Services, Settings

if TYPE_CHECKING:
    from photosearch.feedback.store import EventStore, Pruned

log = logging.getLogger(__name__)


def events_address(services: Services, home: Home | None) -> str:
    """Where events are kept: as the environment says, else in the home; empty: nowhere.

    Args:
        services: PHOTOSEARCH_EVENTS goes before any home.
        home: Goes before PHOTOSEARCH_HOME.
    """
    if services.events:
        return services.events
    if home is None and services.home is not None:
        home = Home(services.home)
    return "" if home is None else f"sqlite:///{home.event_log.resolve()}"


def open_events(services: Services) -> "EventStore | None":
    """The log of a service; None where events are kept nowhere.

    Raises:
        BadParams: The address is none of a database.
        EventsUnavailable: The folder of an SQLite file cannot be made.
    """
    from photosearch.feedback.store import open_store

    address = events_address(services, None)
    if not address:
        log.info("events off: neither PHOTOSEARCH_EVENTS nor PHOTOSEARCH_HOME is set")
        return None
    store = open_store(address)
    log.info("events are kept in %s", store.place)
    return store


def events_of(settings: Settings) -> "EventStore":
    """The log of a home, or the one that the environment names; raises what `open_events` raises.

    Whoever opens it closes it.
    """
    from photosearch.feedback.store import open_store

    return open_store(events_address(settings.services, settings.home))


def prune_events(settings: Settings) -> "Pruned":
    """Removes what is older than PHOTOSEARCH_EVENTS_KEEP_DAYS."""
    days = settings.services.events_keep_days
    with closing(events_of(settings)) as store:
        return store.prune(datetime.now(UTC) - timedelta(days=days))
