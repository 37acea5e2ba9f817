"""Hears from Label Studio that somebody answered, so that the next poll comes sooner.

The poll on the clock brings the same answers: a message that is lost, doubled or false costs time
only. So its body is not even read.
"""

import hmac
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labeling.photos import check_secret
from labeling.server import WEBHOOK_SECRET_HEADER
from photosearch.home import Home

QUIET_S = 60
"""A burst of answers becomes one poll, at the end of the minute."""

log = logging.getLogger(__name__)


def webhook_app(poll: Callable[[], None], *, secret: str) -> Starlette:
    """An app for `POST /label-studio`, which calls `poll` for whoever knows the secret."""

    def heard(request: Request) -> Response:
        given = request.headers.get(WEBHOOK_SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), secret.encode()):
            return JSONResponse({"detail": f"{WEBHOOK_SECRET_HEADER} is not the secret."}, 401)
        try:
            poll()
        except (httpx.HTTPError, ObjectNotFound, RuntimeError) as error:
            log.warning("no poll was planned, the one on the clock will do: %s", error)
            return JSONResponse({"detail": "Prefect does not plan a poll now."}, 503)
        return JSONResponse({"status": "a poll is planned"}, 202)

    return Starlette(routes=[Route("/label-studio", heard, methods=["POST"])])


def plan_poll(home: Home) -> None:
    """Plans a run of the home's sync-labels at the end of this minute; once, however often asked.

    Raises:
        httpx.HTTPError, ObjectNotFound, RuntimeError: The Prefect server is not there, or
            `photosearch flows serve` never ran.
    """
    now = datetime.now(UTC)
    due = datetime.fromtimestamp((now.timestamp() // QUIET_S + 1) * QUIET_S, UTC)
    run_deployment(
        f"sync-labels/{home.root.name}",
        scheduled_time=due + timedelta(seconds=1),
        timeout=0,
        idempotency_key=f"webhook-{home.root}-{due:%Y%m%d%H%M}",
        as_subflow=False,
    )


def serve_webhook(home: Home, *, secret: str, host: str, port: int) -> None:
    """Listens until it is stopped.

    Raises:
        BadParams: The secret is too short.
    """
    import uvicorn

    app = webhook_app(
        lambda: plan_poll(home), secret=check_secret(secret, "PHOTOSEARCH_WEBHOOK_SECRET")
    )
    uvicorn.run(app, host=host, port=port, log_level="warning")
