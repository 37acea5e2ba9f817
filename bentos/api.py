"""The HTTP calls and the page as one ASGI app; knows neither models nor how it is hosted."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount, Route

from bentos import catalogue, engineers, maps, searches
from bentos.answers import Served
from bentos.door import Door
from bentos.events import routes as event_routes
from bentos.experiments import experiment_routes
from bentos.metrics import Measured
from bentos.openapi import openapi
from bentos.page import WEB, Page, SafeHeaders
from bentos.problems import Faults, answer_error
from bentos.turns import Turns
from photosearch.errors import PhotosearchError


def make_app(served: Callable[[], Served], turns: Turns) -> Starlette:
    """The app.

    Args:
        served: Asked at each request, when the service has been set up.
        turns: Given to searches.
    """
    calls = [
        *searches.routes(served, turns),
        *catalogue.routes(served),
        *maps.routes(served),
        *engineers.routes(served),
        *event_routes(served),
        *experiment_routes(served),
        Route("/openapi.json", openapi),
    ]
    return Starlette(
        routes=[
            Mount("/v1", routes=calls),  # its own router, so that a wrong method is 405, not 404
            Route("/metrics", catalogue.prometheus),
            Mount("/", Page(directory=WEB, html=True)),
        ],
        middleware=[
            Middleware(SafeHeaders),
            Middleware(Measured),
            Middleware(Door, access=lambda: served().access),
            Middleware(Faults),
        ],
        exception_handlers={error: answer_error for error in (HTTPException, PhotosearchError)},
    )
