"""An endpoint that reads cards, and sees their pictures, tells tags; its answers are kept."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from seeing_endpoint import KEY, MODEL, SeeingEndpoint, seeing_endpoint
from small_tower import png, quarters
from test_tags import PARAMS, a_card

from photosearch.assembly_tags import tag_catalog
from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto, Tag
from photosearch.catalog.tables import read_rows, write_table
from photosearch.errors import BadParams, DescriberUnavailable
from photosearch.home import Home
from photosearch.perception.describer import Describer
from photosearch.settings import Services, Settings, load_params
from photosearch.tagging.generate import TAGS, make_tags
from photosearch.tagging.told import told_by

CARDS = [a_card(1, "Mug, red"), a_card(2, "Mug, blue")]


@pytest.fixture
def endpoint() -> Iterator[SeeingEndpoint]:
    with seeing_endpoint() as server:
        yield server


def said(**tags: list[str]) -> str:
    return "Here you are: " + json.dumps(tags, ensure_ascii=False)


def ask(endpoint: SeeingEndpoint, folder: Path, cards: list[Card], *, key: str = KEY, **photo_of):
    return told_by(
        cards,
        Describer(endpoint.url, MODEL, SecretStr(key)),
        answers=folder / "tags" / "answers.jsonl",
        photo_of=photo_of,
        images_dir=folder / "images",
    )


def test_what_the_endpoint_says_of_a_card_is_proposed(endpoint: SeeingEndpoint, tmp_path: Path):
    endpoint.bodies = [said(en=["Red mug!", "Tea"], ru=["Красная кружка"])]
    told = ask(endpoint, tmp_path, CARDS[:1])
    assert told.proposals == {"c1": dict.fromkeys(("red mug", "tea", "красная кружка"), "endpoint")}
    assert (told.asked, told.bad_answers) == (1, {})


def test_a_seeing_endpoint_is_shown_the_picture(endpoint: SeeingEndpoint, tmp_path: Path):
    blue = images.store(tmp_path / "images", png(quarters(*[(0, 0, 255)] * 4)))
    told = ask(endpoint, tmp_path, CARDS[:1], c1=blue)
    assert set(told.proposals["c1"]) == {"blue", "синяя"}


def test_answers_are_kept_by_what_was_asked(endpoint: SeeingEndpoint, tmp_path: Path):
    endpoint.bodies = [said(en=["mug"]), said(en=["cup"]), said(en=["bowl"])]
    ask(endpoint, tmp_path, CARDS[:1])
    again = ask(endpoint, tmp_path, CARDS[:1])
    assert (endpoint.asked, again.asked, set(again.proposals["c1"])) == (1, 0, {"mug"})
    changed = ask(endpoint, tmp_path, [a_card(1, "Cup, red")])
    assert (changed.asked, set(changed.proposals["c1"])) == (1, {"cup"})


def test_a_killed_run_goes_on_where_it_was(endpoint: SeeingEndpoint, tmp_path: Path):
    endpoint.bodies = [said(en=["mug"]), said(en=["mug"]), said(en=["cup"])]
    ask(endpoint, tmp_path, CARDS)
    kept = tmp_path / "tags" / "answers.jsonl"
    first, second = kept.read_text().splitlines()
    kept.write_text(first + "\n" + second[:20])
    told = ask(endpoint, tmp_path, CARDS)
    assert told.asked == 1
    assert {tag for tags in told.proposals.values() for tag in tags} == {"mug", "cup"}
    assert ask(endpoint, tmp_path, CARDS).asked == 0


def test_an_answer_that_was_cut_off_inside_a_letter_is_asked_for_again(
    endpoint: SeeingEndpoint, tmp_path: Path
):
    endpoint.bodies = [said(ru=["кружка"])] * 3
    ask(endpoint, tmp_path, CARDS)
    kept = tmp_path / "tags" / "answers.jsonl"
    content = kept.read_bytes()
    kept.write_bytes(content[: content.rindex("ка".encode()) + 1])
    told = ask(endpoint, tmp_path, CARDS)
    assert (told.asked, endpoint.asked) == (1, 3)
    assert [set(tags) for tags in told.proposals.values()] == [{"кружка"}, {"кружка"}]
    assert ask(endpoint, tmp_path, CARDS).asked == 0


@pytest.mark.parametrize("separator", ["\u2028", "\u0085"])
def test_a_line_separator_inside_a_tag_does_not_cut_its_answer_off(
    endpoint: SeeingEndpoint, tmp_path: Path, separator: str
):
    endpoint.bodies = [said(en=[f"red{separator}mug"])]
    first = ask(endpoint, tmp_path, CARDS[:1])
    again = ask(endpoint, tmp_path, CARDS[:1])
    assert (again.asked, again.proposals) == (0, first.proposals)


def test_bad_answers_are_counted_and_asked_again(endpoint: SeeingEndpoint, tmp_path: Path):
    cards = [a_card(number, f"Mug {number}") for number in range(4)]
    endpoint.bodies = ["I see a mug.", said(en=[]), "", '{"en": "mug", "ru": 7}']
    told = ask(endpoint, tmp_path, cards)
    assert told.bad_answers == {"no JSON": 1, "no tags": 2, "HTTP 400": 1}
    assert set(map(len, told.proposals.values())) == {0}
    endpoint.bodies = [said(en=["mug"])] * 4
    assert ask(endpoint, tmp_path, cards).asked == 4


def test_a_wrong_key_stops_and_is_not_told(endpoint: SeeingEndpoint, tmp_path: Path):
    with pytest.raises(DescriberUnavailable, match=r"HTTP 401.*tags\.source to titles") as no:
        ask(endpoint, tmp_path, CARDS, key="wrong")
    assert "wrong" not in str(no.value)


def test_told_tags_are_cleaned_as_titles_are(endpoint: SeeingEndpoint, tmp_path: Path):
    home = Home(tmp_path)
    write_table(home.curated / "cards.parquet", Card, CARDS)
    endpoint.bodies = [
        said(en=["Mug", "lovely mug", "mug kружка"]), said(en=["mugs"], ru=["скидка"])
    ]  # fmt: skip
    report = make_tags(
        home,
        PARAMS.model_copy(update={"source": "llm", "share_max": 1}),
        ask(endpoint, tmp_path, CARDS),
    )
    (tag,) = read_rows(home.tags / TAGS, Tag)
    assert (tag.text, tag.n_cards, tag.reason) == ("mug", 2, "endpoint")
    assert report.dropped == {
        "advertising": 1, "duplicate": 1, "emotion": 1, "mixed_languages": 1
    }  # fmt: skip


def settings_of(home: Home, source: str, **services: object) -> Settings:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    tags = params.tags.model_copy(update={"source": source, "cards_min": 1, "share_max": 1})
    params = params.model_copy(update={"tags": tags})
    return Settings(home=home, params=params, services=Services(**services))


def test_the_setting_chooses_who_tells_tags(endpoint: SeeingEndpoint, tmp_path: Path):
    home = Home(tmp_path)
    green = images.store(home.images, png(quarters(*[(0, 255, 0)] * 4)))
    write_table(home.curated / "cards.parquet", Card, CARDS[:1])
    photo = CuratedPhoto("c1/gallery/0", "c1", "gallery", green, "train", True)
    write_table(home.curated / "photos.parquet", CuratedPhoto, [photo])
    named = {
        "describer_url": endpoint.url, "describer_model": MODEL, "describer_key": SecretStr(KEY)
    }  # fmt: skip

    def tags_of(source: str) -> set[str]:
        tag_catalog(settings_of(home, source, **named))
        return {tag.text for tag in read_rows(home.tags / TAGS, Tag)}

    assert tags_of("titles") == {"mug", "red"}
    assert tags_of("vlm") == {"green", "зелёная"}
    endpoint.bodies = [said(en=["cup"])]
    assert tags_of("llm") == {"cup"}


def test_a_source_without_its_endpoint_is_told(tmp_path: Path):
    with pytest.raises(BadParams, match=r"tags\.source is 'llm'.*PHOTOSEARCH_DESCRIBER_URL"):
        tag_catalog(settings_of(Home(tmp_path), "llm"))
