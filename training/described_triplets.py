"""Asks a model that sees to tell two photos apart: what it says becomes words of triplets.

Knows no training; how an endpoint is asked is in photosearch/perception/describer.py.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from photosearch.perception.describer import (
    THREADS,
    BadAnswer,
    Describer,
    as_address,
    ask,
    json_of,
    open_client,
)
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
OTHERWISE = "unset PHOTOSEARCH_DESCRIBER_URL to learn from attributes alone"


@dataclass(frozen=True, slots=True)
class Described:
    triplets: list[Triplet]
    """Those that got words."""
    bad: dict[str, int]
    """Answers that gave none, by reason: `no JSON`, `no phrase`, `HTTP 400`."""


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

    def told_of(triplet: Triplet) -> Triplet | str:
        shown = [photo_of[card] for card in (triplet.source, triplet.target)]
        pair = [as_address(images_dir, sha256) for sha256 in shown]
        try:
            said = ask(client, describer, ASKED, photos=pair, otherwise=OTHERWISE)
            return replace(triplet, texts=_phrases(said))
        except BadAnswer as reason:
            return str(reason)

    with open_client(describer) as client, ThreadPoolExecutor(THREADS) as pool:
        answers = pool.map(told_of, triplets)
        told = list(track(answers, "asking for differences of photos", len(triplets)))
    bad = Counter(answer for answer in told if isinstance(answer, str))
    good = [answer for answer in told if not isinstance(answer, str)]
    log.info("differences told: %d of %d; bad answers: %s", len(good), len(told), dict(bad))
    return Described(good, dict(bad))


def _phrases(said: str) -> tuple[str, ...]:
    """The phrases of an answer, which may have words around its JSON."""
    phrases = json_of(said)
    told = [phrases.get(language) for language in LANGUAGES]
    kept = [one.strip() for one in told if isinstance(one, str)]
    fitting = [one for one in kept if len(one) <= MOST_LETTERS and any(map(str.isalpha, one))]
    if not fitting:
        raise BadAnswer("no phrase")
    return tuple(dict.fromkeys(fitting))
