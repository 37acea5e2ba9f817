"""What the service counts and times, in Prometheus' terms.

BentoML counts its calls by their path, of which there are as many as cards and queries: that is
off for `search` (`metrics` of its decorator), and calls are counted here by their name.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

MEDIA_TYPE = CONTENT_TYPE_LATEST
CALL = "photosearch.call"
"""Where a request's scope has the name of a call that is answered before a route is found."""
ASKS_FOR_METRICS = "prometheus"
"""Name of the endpoint that tells these numbers, every few seconds."""
SECONDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3),
    *(0.5, 0.75, 1.0, 2.5, 5.0, 10.0),
)

CALLS = Histogram(
    "photosearch_call_seconds", "From a call's headers to its answer's end.",
    ["call", "status"], buckets=SECONDS,
)  # fmt: skip
STAGES = Histogram(
    "photosearch_stage_seconds", "Stages of a search, as took_ms tells them.",
    ["call", "stage"], buckets=SECONDS,
)  # fmt: skip
QUEUED = Histogram(
    "photosearch_queue_seconds", "How long searches waited for their turn.", buckets=SECONDS
)
WAITING = Gauge(
    "photosearch_searches_waiting", "Searches waiting for their turn.", multiprocess_mode="livesum"
)
RUNNING = Gauge(
    "photosearch_searches_running", "Searches under way, those that hang among them.",
    multiprocess_mode="livesum",
)  # fmt: skip
BATCHES = Histogram(
    "photosearch_batch_searches", "Searches in one call of search/batch.", buckets=(1, 2, 4, 8, 16)
)
ENCODED = Histogram(
    "photosearch_encoder_batch_photos", "Photos that the encoder embedded together.",
    buckets=(1, 2, 4, 8, 16, 32),
)  # fmt: skip
MODEL_RAN = Histogram(
    "photosearch_model_seconds", "One run of a model of the encoder: `embed` a batch, or `detect`.",
    ["model"], buckets=SECONDS,
)  # fmt: skip
CONFIDENCE = Counter(
    "photosearch_answers", "Searches by photo; `no` are abstentions (is_confident).", ["confident"]
)
DEGRADED = Counter("photosearch_degraded", "Steps that answers went without.", ["step"])
PROBLEMS = Counter("photosearch_problems", "Errors told to callers.", ["status", "kind"])
REFUSED = Counter(
    "photosearch_refused", "Calls without a key that is known, or too many.", ["caller", "why"]
)


def observe_answer(
    call: str, took_ms: Mapping[str, float], *, degraded: Sequence[str] = ()
) -> None:
    """Counts an answer's stages, and what it went without."""
    for stage, stage_ms in took_ms.items():
        STAGES.labels(call, stage).observe(stage_ms / 1000)
    for step in degraded:
        DEGRADED.labels(step).inc()


def observe_confidence(is_confident: bool | None) -> None:
    """Counts an answer by whether the service thinks it knows the product."""
    told = "unknown" if is_confident is None else "yes" if is_confident else "no"
    CONFIDENCE.labels(told).inc()


def exposition() -> bytes:
    """All metrics of this service's processes, as Prometheus reads them."""
    processes = CollectorRegistry()
    try:
        MultiProcessCollector(processes)  # type: ignore[no-untyped-call]
    except ValueError:  # it runs in one process, without BentoML
        return generate_latest(REGISTRY)
    return generate_latest(processes)


class Measured:
    """Times each call by its endpoint's name, or `refused`, `preflight`, `page` where it had none.

    Once it is answered it is a line of the log too, but for those that ask for metrics.
    """

    def __init__(self, app: ASGIApp, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, status, ended = self._clock(), 0, None

        async def send_and_see(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended = self._clock()

        try:
            await self._app(scope, receive, send_and_see)
        finally:
            call = str(scope.get(CALL) or getattr(scope.get("endpoint"), "__name__", "page"))
            took_s = (ended or self._clock()) - came
            CALLS.labels(call, str(status)).observe(took_s)
            if call != ASKS_FOR_METRICS:
                _log_call(scope, call, status, took_s)


def _log_call(scope: Scope, call: str, status: int, took_s: float) -> None:
    host = scope["client"][0] if scope.get("client") else "none"
    # as it was sent: decoded, it could have lines of its own
    path = scope["raw_path"].decode("latin-1")
    log.info("%s %s %s: %s, %d, %.1f ms", host, scope["method"], path, call, status, took_s * 1000)
