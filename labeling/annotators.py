"""Chooses who answers: people in Label Studio, or the simulator's annotators, who say so."""

from collections.abc import Iterator
from contextlib import contextmanager

from labeling.boxes import BoxProject
from labeling.photos import Photos, check_secret, photos_for_annotators
from labeling.project import LabelStudio
from labeling.questions import Annotators
from labeling.server import Server
from labeling.simulated import SimulatedAnnotators
from photosearch.errors import BadParams
from photosearch.settings import Settings


@contextmanager
def annotators(settings: Settings) -> Iterator[Annotators]:
    """Label Studio where it is configured, else the simulator's annotators, who say so.

    Raises:
        BadParams: Neither is configured.
        LabelingUnavailable: What is configured does not answer.
    """
    services = settings.services
    if services.label_studio_url:
        with _label_studio(settings) as server:
            first = settings.params.labels.votes_first
            people = LabelStudio(server, _photos(settings), votes_first=first)
            if services.webhook_url:
                secret = services.webhook_secret.get_secret_value()
                people.call_when_answered(
                    services.webhook_url, check_secret(secret, "PHOTOSEARCH_WEBHOOK_SECRET")
                )
            yield people
    elif services.simulator_url:
        yield SimulatedAnnotators(services.simulator_url, settings.home.questions)
    else:
        raise BadParams(
            "There is nobody to ask: set PHOTOSEARCH_LABEL_STUDIO_URL and "
            "PHOTOSEARCH_LABEL_STUDIO_TOKEN, or run `photosearch demo`, whose annotators are "
            "simulated."
        )


def sync_boxes(settings: Settings) -> int:
    """Sends photos to who draws boxes and brings the boxes back; returns how many there are.

    Without Label Studio there are none: simulated annotators draw nothing.
    """
    if not settings.services.label_studio_url:
        return 0
    with _label_studio(settings) as server:
        boxes = BoxProject(server, _photos(settings))
        boxes.push(settings.home, n_photos=settings.params.labels.boxes)
        return boxes.collect(settings.home.labels.with_name("boxes.parquet"))


def _label_studio(settings: Settings) -> Server:
    services = settings.services
    return Server(services.label_studio_url, services.label_studio_token.get_secret_value())


def _photos(settings: Settings) -> Photos:
    services = settings.services
    return photos_for_annotators(
        url=services.photos_url,
        secret=services.photos_secret.get_secret_value(),
        document_root=services.label_studio_document_root,
    )
