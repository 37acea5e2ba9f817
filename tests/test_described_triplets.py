"""An endpoint that sees tells two photos apart; its words become words of triplets."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from seeing_endpoint import KEY, MODEL, SeeingEndpoint, seeing_endpoint
from small_tower import png, quarters
from test_text_stage import COLOURS, TEXT, encode, home

from photosearch.catalog import images
from photosearch.errors import DescriberUnavailable
from photosearch.home import Home
from photosearch.perception.describer import Describer
from training.described_triplets import described
from training.text_side import learn_texts
from training.triplets import Triplet

__all__ = ["home"]  # a fixture


@pytest.fixture
def endpoint() -> Iterator[SeeingEndpoint]:
    with seeing_endpoint() as server:
        yield server


@pytest.fixture
def photo_of(tmp_path: Path) -> dict[str, str]:
    """A photo of one colour for each card, which is called by it."""
    return {
        name: images.store(tmp_path, png(quarters(colour, colour, colour, colour)))
        for name, colour in COLOURS.items()
    }


def describer(endpoint: SeeingEndpoint, *, key: str = KEY) -> Describer:
    return Describer(endpoint.url, MODEL, SecretStr(key))


def triplet(source: str, target: str) -> Triplet:
    return Triplet(source, target, (target,), ("Colour",), ("as the catalogue has it",))


def test_what_the_endpoint_says_of_two_photos_becomes_the_words(
    endpoint: SeeingEndpoint, photo_of: dict[str, str], tmp_path: Path
):
    asked = [triplet("red", "blue"), triplet("blue", "white")]
    told = described(asked, photo_of, tmp_path, describer(endpoint))
    assert [one.texts for one in told.triplets] == [("blue", "синяя"), ("white", "белая")]
    assert [one.right for one in told.triplets] == [("blue",), ("white",)]
    assert told.bad == {}


def test_a_busy_endpoint_is_asked_again(
    endpoint: SeeingEndpoint, photo_of: dict[str, str], tmp_path: Path
):
    endpoint.busy = 1
    told = described([triplet("red", "green")], photo_of, tmp_path, describer(endpoint))
    assert (len(told.triplets), endpoint.asked) == (1, 2)


def test_bad_answers_are_counted_by_reason(
    endpoint: SeeingEndpoint, photo_of: dict[str, str], tmp_path: Path
):
    endpoint.bodies = [
        "I see a mug.",
        '{"en": ',
        '{"en": "", "ru": 7}',
        "",
        '{"en": "' + "x" * 81 + '"}',
    ]
    asked = [triplet("red", "green")] * 6
    told = described(asked, photo_of, tmp_path, describer(endpoint))
    assert told.bad == {"no JSON": 2, "no phrase": 2, "HTTP 400": 1}
    assert [one.texts for one in told.triplets] == [("green", "зелёная")]


def test_a_wrong_key_stops_at_once_and_is_not_told(
    endpoint: SeeingEndpoint, photo_of: dict[str, str], tmp_path: Path
):
    with pytest.raises(
        DescriberUnavailable, match=r"HTTP 401.*DESCRIBER_URL, _MODEL and _KEY"
    ) as no:
        described([triplet("red", "green")], photo_of, tmp_path, describer(endpoint, key="wrong"))
    assert "wrong" not in str(no.value)
    assert endpoint.asked == 1


def test_the_stage_learns_from_what_was_told_too(home: Home, endpoint: SeeingEndpoint):
    alone = learn_texts(home, TEXT, encode)
    report = learn_texts(home, TEXT, encode, describer=describer(endpoint))
    assert (alone.described, report.described, report.bad_descriptions) == (0, 4, {})
    assert (report.triplets, report.refiner) == (alone.triplets + 4, "trained")
