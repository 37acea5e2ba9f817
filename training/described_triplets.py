"""Asks a model that sees to tell two photos apart: what it says becomes words of triplets.

Any endpoint that speaks OpenAI's chat completions with images will do; knows no training.
"""

import base64
import io
import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from photosearch.catalog import images
from photosearch.errors import DescriberUnavailable
from photosearch.progress import track
from training.triplets import Triplet

log = logging.getLogger(__name__)

ASKED = (
    "Two photos of products of one kind: first A, then B. A shopper looks at A and wants B. Say "
    "what must be different, in at most eight words that name what B has, such as `red, with white "
    "dots`. Leave out background, light and camera. Answer with JSON alone, in English and in "
    'Russian: {"en": "...", "ru": "..."}'
)
LANGUAGES = ("en", "ru")
MOST_LETTERS = 80
"""Of one phrase; what is longer is a story and no wish."""
SIDE_PX, JPEG_QUALITY = 384, 85
TIMEOUT_S, ATTEMPTS, MAX_WAIT_S = 60.0, 4, 20.0
THREADS = 4
"""Questions on their way at once."""
HOPELESS = (401, 403, 404)
JSON_OBJECT = re.compile(r"\{.*?\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Describer:
    url: str
    """With the version, such as `http://localhost:8000/v1`."""
    model: str
    key: SecretStr


@dataclass(frozen=True, slots=True)
class Described:
    triplets: list[Triplet]
    """Those that got words."""
    bad: dict[str, int]
    """Answers that gave none, by reason: `no JSON`, `no phrase`, `HTTP 400`."""


class _BadAnswerError(Exception):
    """The endpoint answered, but not with words for a triplet; its text is the reason."""


class _BusyError(Exception):
    """The endpoint is overloaded or broken, perhaps for a short time."""


def described(
    triplets: Sequence[Triplet], photo_of: dict[str, str], images_dir: Path, describer: Describer
) -> Described:
    """The triplets with what the model says in place of their texts.

    Args:
        triplets: Those to be asked about.
        photo_of: The sha256 of a photo of each of their cards.
        images_dir: Where images lie by content.
        describer: The endpoint.

    Raises:
        DescriberUnavailable: It does not answer, or refuses key, model or address.
    """

    def ask(triplet: Triplet) -> Triplet | str:
        shown = [photo_of[card] for card in (triplet.source, triplet.target)]
        pair = [_as_address(images_dir, sha256) for sha256 in shown]
        try:
            return replace(triplet, texts=_phrases(_completion(client, describer, pair)))
        except _BadAnswerError as reason:
            return str(reason)

    headers = {"Authorization": f"Bearer {describer.key.get_secret_value()}"}
    with (
        httpx.Client(headers=headers, timeout=TIMEOUT_S) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        answers = pool.map(ask, triplets)
        told = list(track(answers, "asking for differences of photos", len(triplets)))
    bad = Counter(answer for answer in told if isinstance(answer, str))
    good = [answer for answer in told if not isinstance(answer, str)]
    log.info("differences told: %d of %d; bad answers: %s", len(good), len(told), dict(bad))
    return Described(good, dict(bad))


def _completion(client: httpx.Client, describer: Describer, pair: Sequence[str]) -> str:
    """What the model says about two photos."""
    shown = [{"type": "image_url", "image_url": {"url": address}} for address in pair]
    content = [{"type": "text", "text": ASKED}, *shown]
    question = {"model": describer.model, "messages": [{"role": "user", "content": content}]}
    address = f"{describer.url.rstrip('/')}/chat/completions"
    retrying = Retrying(
        retry=retry_if_exception_type((httpx.TransportError, _BusyError)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(max=MAX_WAIT_S),
        reraise=True,
    )
    try:
        answer = retrying(_post, client, address, question)
    except (httpx.TransportError, httpx.InvalidURL, _BusyError) as error:
        raise DescriberUnavailable(
            f"{address} did not answer {ATTEMPTS} times: {error}. Start it again, or unset "
            "PHOTOSEARCH_DESCRIBER_URL to learn from attributes alone."
        ) from None
    if answer.status_code in HOPELESS:
        raise DescriberUnavailable(
            f"{address} answered HTTP {answer.status_code} to model {describer.model!r}. Check "
            "PHOTOSEARCH_DESCRIBER_URL, _MODEL and _KEY, or unset PHOTOSEARCH_DESCRIBER_URL to "
            "learn from attributes alone."
        )
    if not answer.is_success:
        raise _BadAnswerError(f"HTTP {answer.status_code}")
    try:
        return str(answer.json()["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError):
        raise _BadAnswerError("no chat completion") from None


def _post(client: httpx.Client, address: str, question: dict[str, Any]) -> httpx.Response:
    answer = client.post(address, json=question)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise _BusyError(f"HTTP {answer.status_code}")
    return answer


def _phrases(said: str) -> tuple[str, ...]:
    """The phrases of an answer, which may have words around its JSON."""
    found = JSON_OBJECT.search(said)
    try:
        phrases = json.loads(found.group()) if found else None
    except ValueError:
        phrases = None
    if not isinstance(phrases, dict):
        raise _BadAnswerError("no JSON")
    told = [phrases.get(language) for language in LANGUAGES]
    kept = [one.strip() for one in told if isinstance(one, str)]
    fitting = [one for one in kept if len(one) <= MOST_LETTERS and any(map(str.isalpha, one))]
    if not fitting:
        raise _BadAnswerError("no phrase")
    return tuple(dict.fromkeys(fitting))


def _as_address(images_dir: Path, sha256: str) -> str:
    """A photo as a data address, SIDE_PX at most, so that no endpoint needs to reach us."""
    photo = images.load(images_dir, sha256, draft_px=SIDE_PX)
    photo.thumbnail((SIDE_PX, SIDE_PX))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
