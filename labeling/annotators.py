"""Chooses who answers: people in Label Studio, or the simulator's annotators, who say so."""

from collections.abc import Iterator
from contextlib import contextmanager

from labeling.project import LabelStudio
from labeling.questions import Annotators
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
        token = services.label_studio_token.get_secret_value()
        root = services.label_studio_document_root
        with LabelStudio(services.label_studio_url, token, document_root=root) as people:
            yield people
    elif services.simulator_url:
        yield SimulatedAnnotators(services.simulator_url, settings.home.questions)
    else:
        raise BadParams(
            "There is nobody to ask: set PHOTOSEARCH_LABEL_STUDIO_URL and "
            "PHOTOSEARCH_LABEL_STUDIO_TOKEN, or run `photosearch demo`, whose annotators are "
            "simulated."
        )
