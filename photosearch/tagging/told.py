"""Tags by an endpoint that reads cards, and may see their pictures; answers are kept and reused.

answers.jsonl   one line an answer, by a hash of all that was asked; outside of what DVC tracks
"""

import hashlib
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from photosearch.catalog.schemas import Card
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
from photosearch.tagging.generate import Proposals, Told
from photosearch.tagging.words import LANGUAGES, phrases_of

log = logging.getLogger(__name__)

ASKED = (
    "A card of a marketplace{picture}. Name what a shopper could look for: what it is, its kind, "
    "colours, pattern, material, shape, use. At most 12 tags in English and the same in Russian, "
    "each of one to three words in small letters. No praise, no advertising, no brand, no price. "
    'Answer with JSON alone: {{"en": ["...", "..."], "ru": ["...", "..."]}}\n\n'
)
OTHERWISE = "set tags.source to titles in params.yaml"


def told_by(
    cards: Sequence[Card],
    describer: Describer,
    *,
    answers: Path,
    photo_of: Mapping[str, str],
    images_dir: Path,
) -> Told:
    """Asks about every card that was not asked about before, word for word and photo for photo.

    Each good answer is kept at once, so that a killed run goes on where it was.

    Args:
        cards: Of the catalogue.
        describer: The endpoint; a model of another name is asked anew.
        answers: The file of answers, made if absent.
        photo_of: The sha256 of a picture to show, by card; empty for an endpoint that only reads.
        images_dir: Where images lie by content.

    Raises:
        DescriberUnavailable: It does not answer, or refuses key, model or address.
    """
    known, writing = _read(answers), threading.Lock()
    questions = {card.card_id: _question(card, photo_of.get(card.card_id)) for card in cards}
    keys = {
        card_id: _key(describer.model, question, photo_of.get(card_id, ""))
        for card_id, question in questions.items()
    }
    new = [card_id for card_id in questions if keys[card_id] not in known]

    def tell(card_id: str) -> str | None:
        """Why there is no answer; None if there is."""
        shown = [as_address(images_dir, photo_of[card_id])] if card_id in photo_of else []
        try:
            said = ask(client, describer, questions[card_id], photos=shown, otherwise=OTHERWISE)
            found = _tags(said)
        except BadAnswer as reason:
            return str(reason)
        with writing:
            known[keys[card_id]] = found
            with answers.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": keys[card_id], "tags": found}, ensure_ascii=False))
                file.write("\n")
        return None

    answers.parent.mkdir(parents=True, exist_ok=True)
    with open_client(describer) as client, ThreadPoolExecutor(THREADS) as pool:
        reasons = list(track(pool.map(tell, new), "asking for tags of cards", len(new)))
    bad = dict(Counter(filter(None, reasons)))
    log.info("tags told of %d cards, %d known before; bad answers: %s",
             len(new), len(cards) - len(new), bad)  # fmt: skip
    proposals = {card_id: _proposals(known.get(key, [])) for card_id, key in keys.items()}
    return Told(proposals, len(new), bad)


def _question(card: Card, photo: str | None) -> str:
    told = {
        "title": card.title,
        "title in Russian": card.title_ru,
        "description": card.description,
        "category": " / ".join(card.category),
        **card.attributes,
    }
    facts = "\n".join(f"{name}: {value}" for name, value in told.items() if value)
    return ASKED.format(picture=" with its picture" if photo else "") + facts


def _key(model: str, question: str, photo: str) -> str:
    return hashlib.sha256(json.dumps([model, question, photo]).encode()).hexdigest()[:32]


def _read(answers: Path) -> dict[str, list[str]]:
    """Answers of before; a line that a kill cut off is asked again."""
    known: dict[str, list[str]] = {}
    if not answers.exists():
        return known
    text = answers.read_text(encoding="utf-8", errors="replace")  # cut off inside of a letter
    for line in filter(None, text.split("\n")):  # a line separator inside a tag ends no line
        try:
            row = json.loads(line)
            known[row["key"]] = row["tags"]
        except ValueError:
            log.warning("%s has a line that was cut off; its card is asked about again", answers)
    if not text.endswith("\n"):
        with answers.open("a") as file:
            file.write("\n")
    return known


def _tags(said: str) -> list[str]:
    """The tags of an answer, in both languages; raises BadAnswer where there are none."""
    values = json_of(said)
    found = list(_texts(values))
    if not found:
        raise BadAnswer("no tags")
    return found


def _texts(values: Mapping[str, object]) -> Iterator[str]:
    for language in LANGUAGES:
        told = values.get(language)
        yield from (one for one in told if isinstance(one, str)) if isinstance(told, list) else ()


def _proposals(tags: Sequence[str]) -> Proposals:
    """In small letters, without punctuation; what the rules think of them is seen later."""
    parts = [" ".join(word for words in phrases_of(tag) for word in words) for tag in tags]
    return dict.fromkeys(filter(None, parts), "endpoint")
