"""An endpoint that reads texts and sees photos: any that speaks OpenAI's chat completions.

Knows no questions: training asks it to tell photos apart, tagging for words of a card.
"""

import base64
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_random_exponential

from photosearch.catalog import images
from photosearch.errors import DescriberUnavailable

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


class BadAnswer(Exception):
    """The endpoint answered, but not with what was asked for; its text is the reason."""


class _BusyError(Exception):
    """The endpoint is overloaded or broken, perhaps for a short time."""


def open_client(describer: Describer) -> httpx.Client:
    """A client with the endpoint's key; close it."""
    headers = {"Authorization": f"Bearer {describer.key.get_secret_value()}"}
    return httpx.Client(headers=headers, timeout=TIMEOUT_S)


def ask(
    client: httpx.Client,
    describer: Describer,
    question: str,
    *,
    photos: Sequence[str] = (),
    otherwise: str,
) -> str:
    """What the model says.

    Args:
        client: See `open_client`.
        describer: The endpoint.
        question: In words.
        photos: Shown after the question; see `as_address`.
        otherwise: What to do without the endpoint, for the message.

    Raises:
        DescriberUnavailable: It does not answer, or refuses key, model or address.
        BadAnswer: It answers something else than a chat completion.
    """
    shown = [{"type": "image_url", "image_url": {"url": address}} for address in photos]
    content = [{"type": "text", "text": question}, *shown]
    body = {"model": describer.model, "messages": [{"role": "user", "content": content}]}
    address = f"{describer.url.rstrip('/')}/chat/completions"
    retrying = Retrying(
        retry=retry_if_exception_type((httpx.TransportError, _BusyError)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(max=MAX_WAIT_S),
        reraise=True,
    )
    try:
        answer = retrying(_post, client, address, body)
    except (httpx.TransportError, httpx.InvalidURL, _BusyError) as error:
        raise DescriberUnavailable(
            f"{address} did not answer {ATTEMPTS} times: {error}. Start it again, or {otherwise}."
        ) from None
    if answer.status_code in HOPELESS:
        raise DescriberUnavailable(
            f"{address} answered HTTP {answer.status_code} to model {describer.model!r}. Check "
            f"PHOTOSEARCH_DESCRIBER_URL, _MODEL and _KEY, or {otherwise}."
        )
    if not answer.is_success:
        raise BadAnswer(f"HTTP {answer.status_code}")
    try:
        return str(answer.json()["choices"][0]["message"]["content"])
    except (ValueError, LookupError, TypeError):
        raise BadAnswer("no chat completion") from None


def json_of(said: str) -> dict[str, Any]:
    """The JSON object of an answer, which may have words around it; raises BadAnswer."""
    found = JSON_OBJECT.search(said)
    try:
        values = json.loads(found.group()) if found else None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise BadAnswer("no JSON")
    return values


def as_address(images_dir: Path, sha256: str) -> str:
    """A photo as a data address, SIDE_PX at most, so that no endpoint needs to reach us."""
    photo = images.load(images_dir, sha256, draft_px=SIDE_PX)
    photo.thumbnail((SIDE_PX, SIDE_PX))
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _post(client: httpx.Client, address: str, question: dict[str, Any]) -> httpx.Response:
    answer = client.post(address, json=question)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
        raise _BusyError(f"HTTP {answer.status_code}")
    return answer
