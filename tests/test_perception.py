"""Words on photos and the articles that they name."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from processes import ROOT

from photosearch.assembly_serving import load_reader
from photosearch.catalog.images import open_photo
from photosearch.perception.article_table import ArticleTable, find_articles
from photosearch.perception.articles import article_key, article_readings
from photosearch.perception.letters import Line
from photosearch.perception.ocr import RapidReader, words_of_line
from photosearch.perception.reader import Doubt, Word
from photosearch.perception_settings import OcrParams
from simulator.photos import Picture
from simulator.pictures import render
from simulator.world import World

ARTICLES = ["KR-4821", "KR-4822", "KR-48", None, "АВ 100/2", "ab1002", "Ж-77", "—", "9" * 40]


@pytest.fixture(scope="module")
def table() -> ArticleTable:
    return ArticleTable(ARTICLES)


@pytest.fixture(scope="module")
def reader() -> RapidReader:
    return RapidReader(side_px=640, confidence_min=0.5, threads=1)


def words(*lines: str) -> list[Word]:
    """Words ten pixels a character, a line every twenty pixels."""
    return [
        Word(text, 0.9, (x * 10, y * 20, (x + len(text)) * 10, y * 20 + 15), y)
        for y, line in enumerate(lines)
        for x, text in enumerate(line.split())
    ]


def card_with(text: str, *, degrees: float = 0) -> Image.Image:
    """Black words on white paper; the font has Cyrillic letters."""
    card = Image.new("RGB", (420, 300), "white")
    font = ImageFont.truetype(f"{get_data_path()}/fonts/ttf/DejaVuSans.ttf", 32)
    ImageDraw.Draw(card).text((210, 150), text, font=font, fill="black", anchor="mm")
    return card.rotate(degrees, fillcolor="white", resample=Image.Resampling.BICUBIC)


def found(text: str, table: ArticleTable) -> list[tuple[str, list[str | None]]]:
    answers = find_articles(words(text), table)
    return [(one.match, [ARTICLES[row] for row in one.rows]) for one in answers]


@pytest.mark.parametrize("spelled", ["KH-4821", "kh 4821", "КН–4821", "кн4821", "К.H/48 21"])
def test_an_article_has_one_key_however_it_is_spelled(spelled: str):
    assert article_key(spelled) == "KH4821"


def test_letters_and_digits_that_look_alike_stay_two_articles():
    assert article_key("B100") != article_key("8100")
    assert article_key("O1") != article_key("01")


def test_the_table_finds_all_cards_of_an_article_in_their_order(table: ArticleTable):
    assert table.exact(article_key("AB-1002")).tolist() == [4, 5]
    assert table.exact("KR4823").tolist() == []


def test_cards_without_article_or_with_an_endless_one_are_left_out(table: ArticleTable):
    assert len(table) == len(ARTICLES) - 3
    assert table.exact("9" * 40).tolist() == []


def test_a_prefix_finds_its_articles_by_alphabet_and_no_more_than_wanted(table: ArticleTable):
    assert [ARTICLES[row] for row in table.starting_with("KR48", 10)] == [
        "KR-48", "KR-4821", "KR-4822",
    ]  # fmt: skip
    assert len(table.starting_with("KR48", 2)) == 2
    assert table.starting_with("KR9", 10).tolist() == []
    assert [ARTICLES[row] for row in table.starting_with("Ж", 10)] == ["Ж-77"]


@pytest.mark.parametrize("read", ["KR4B21", "KR482", "KR48211", "XKR4821", "R4821", "ЖR4821"])
def test_one_wrong_missing_or_added_character_is_forgiven(table: ArticleTable, read: str):
    assert 0 in table.one_edit_away(read)


def test_two_wrong_characters_are_not_forgiven(table: ArticleTable):
    assert table.one_edit_away("KR9921").tolist() == []


def test_an_empty_table_finds_nothing():
    empty = ArticleTable([None, ""])
    for rows in (empty.exact("A1"), empty.one_edit_away("A1"), empty.starting_with("A", 5)):
        assert rows.tolist() == []


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's, by the textbook's table."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


SHORT = st.text("AB1Ж", min_size=1, max_size=5)


@given(st.lists(SHORT, max_size=12), SHORT)
def test_the_table_answers_as_a_look_at_every_article_would(articles: list[str], asked: str):
    table = ArticleTable(articles)
    everywhere = list(enumerate(articles))
    assert table.exact(asked).tolist() == [n for n, a in everywhere if a == asked]
    assert sorted(table.one_edit_away(asked).tolist()) == [
        n for n, a in everywhere if edit_distance(a, asked) == 1
    ]
    assert sorted(table.starting_with(asked, 99).tolist()) == [
        n for n, a in everywhere if a.startswith(asked)
    ]


def test_a_million_articles_take_few_bytes_each():
    letters = ["".join(pair) for pair in product("ABCDEFGHKL", repeat=2)]
    table = ArticleTable([f"{pair}-{n:04d}" for pair in letters for n in range(1000)])
    assert table.n_bytes / len(table) == len("AB0001") + 4


@pytest.mark.parametrize("line", ["art.KR-4821", "Арт. KR 4821", "(KR-48 21)", "№KR-4821, new"])
def test_an_article_is_found_between_other_words(table: ArticleTable, line: str):
    assert found(line, table) == [("exact", ["KR-4821"])]


def test_the_longest_article_of_overlapping_ones_counts(table: ArticleTable):
    assert found("KR 48 21", table) == [("exact", ["KR-4821"])]


def test_words_of_two_lines_are_no_article(table: ArticleTable):
    assert find_articles(words("KR", "4821"), table) == []


def test_near_articles_are_told_only_where_none_is_found_exactly(table: ArticleTable):
    assert found("KR-482", table) == [("one_edit", ["KR-48", "KR-4821", "KR-4822"])]
    assert found("KR-4B21 KR-4822", table) == [("exact", ["KR-4822"])]


def test_a_cut_off_article_is_found_by_its_beginning():
    assert find_articles(words("KRX48"), ArticleTable(["KRX-4821"]))[0].match == "prefix"


def test_only_what_has_a_digit_and_four_characters_is_looked_up():
    readings = article_readings(words("SALE 30 only"))
    assert [reading.key for reading in readings] == ["SALE30ONLY", "SALE30", "30ONLY"]


def test_a_reading_is_as_sure_as_its_least_sure_word_and_its_box_holds_them_all():
    pair = [Word("KR", 0.6, (5, 5, 20, 30), 0), Word("4821", 0.9, (25, 7, 60, 33), 0)]
    (reading,) = [one for one in article_readings(pair) if one.key == "KR4821"]
    assert (reading.confidence, reading.box) == (0.6, (5, 5, 60, 33))


def test_a_line_is_split_into_words_that_share_its_box_and_keep_their_doubts():
    corners = np.array([(0, 0), (100, 0), (100, 10), (0, 10)], float)
    line = Line("ab  cdef gh", 0.9, (Doubt(5, "b", 0.4),))
    first, second, third = words_of_line(line, corners, 3)
    assert (first.text, first.box) == ("ab", (0, 0, pytest.approx(200 / 11), 10))
    assert (second.text, third.text, third.line) == ("cdef", "gh", 3)
    assert (first.doubts, second.doubts) == ((), (Doubt(1, "b", 0.4),))


def doubted(text: str, *doubts: Doubt) -> list[Word]:
    return [Word(text, 0.9, (0, 0, 70, 20), 0, doubts)]


def test_a_doubtful_character_is_asked_both_ways(table: ArticleTable):
    (one,) = find_articles(doubted("KR-4827", Doubt(6, "1", 0.2)), table)
    assert (one.match, one.rows, one.reading.key) == ("exact", (0,), "KR4827")
    near = find_articles(doubted("KR-4827"), table)
    assert {one.match for one in near} == {"one_edit"}


def test_of_two_articles_that_it_may_be_the_much_likelier_one_is_exact(table: ArticleTable):
    (sure,) = find_articles(doubted("KR-4821", Doubt(6, "2", 0.3)), table)
    (unsure,) = find_articles(doubted("KR-4821", Doubt(6, "2", 0.8)), table)
    assert (sure.match, sure.rows) == ("exact", (0,))
    assert (unsure.match, unsure.rows) == ("doubtful", (0, 1))


def test_a_line_full_of_doubts_has_few_spellings():
    word = Word("1" * 32, 0.9, (0, 0, 9, 9), 0, tuple(Doubt(n, "7", 0.9) for n in range(32)))
    (reading,) = article_readings([word])
    shares = [share for _, share in reading.spellings()]
    assert (reading.spellings()[0], len(shares)) == (("1" * 32, 1.0), 32)
    assert shares == sorted(shares, reverse=True)


def test_a_printed_article_is_read_where_it_stands(reader: RapidReader):
    (word,) = reader.read(card_with("ZX-9047"))
    left, top, right, bottom = word.box
    assert (word.text, word.confidence > 0.8) == ("ZX-9047", True)
    assert 120 < left < 150 and 270 < right < 300 and 120 < top < 145 and 155 < bottom < 180


def test_a_slanted_article_is_read_too(reader: RapidReader):
    assert [word.text for word in reader.read(card_with("ZX-9047", degrees=25))] == ["ZX-9047"]


def test_a_cyrillic_article_of_look_alike_letters_is_found(reader: RapidReader):
    table = ArticleTable(["АВ-9047"])
    (one,) = find_articles(reader.read(card_with("АВ-9047")), table)
    assert (one.match, one.rows) == ("exact", (0,))


@pytest.mark.parametrize("size", [(300, 200), (8, 600), (600, 8), (1, 1)])
def test_a_photo_without_words_has_none(reader: RapidReader, size: tuple[int, int]):
    assert reader.read(Image.new("RGB", size, "grey")) == []


def test_several_threads_read_as_one_does(reader: RapidReader):
    cards = [card_with(f"ZX-90{n}7") for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(reader.read, cards))
    assert read == [reader.read(card) for card in cards]


def test_a_simulated_buyers_photo_shows_its_article(reader: RapidReader):
    world = World(11, 100_000)
    articles = [world.product(card).article for card in range(2000, 2020)]
    photo = open_photo(render(world, Picture(2000, "review", 0, "product")), name="review")
    (one,) = find_articles(reader.read(photo), ArticleTable(articles))
    assert (one.match, articles[one.rows[0]]) == ("exact", articles[0])


def test_a_simulated_six_that_looks_like_an_eight_is_found_all_the_same(reader: RapidReader):
    world = World(7, 100)
    shown = open_photo(render(world, Picture(44, "review", 0, "product")), name="review")
    words = reader.read(shown)
    readings = article_readings(words)
    assert any(reading.key == "EE1780" for reading in readings)  # else choose another photo
    (one,) = find_articles(words, ArticleTable([world.product(44).article]))
    assert (world.product(44).article, one.match, one.rows) == ("EE-1760", "exact", (0,))


@pytest.mark.parametrize("card", [29162, 97968])
def test_a_label_lost_on_a_busy_product_is_found_by_a_second_look_at_half_the_size(
    reader: RapidReader, monkeypatch: pytest.MonkeyPatch, card: int
):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from ocr import close_up

    world = World(101, 100_000)
    words = reader.read(open_photo(close_up(world, card, 24), name="close-up"))
    (word,) = [word for word in words if word.text == world.product(card).article]
    left, top, right, bottom = word.box
    assert 220 < left < 250 and 350 < right < 390 and 300 < top < 360 and 350 < bottom < 430


def test_reading_needs_no_torch_and_no_network():
    script = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('the reader asked the network')\n"
        "socket.socket.connect = refuse\n"
        "from photosearch.perception.ocr import RapidReader\n"
        "RapidReader(side_px=320, confidence_min=0.5, threads=1)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr


def test_the_reader_can_be_turned_off():
    assert load_reader(OcrParams(reader="off", side_px=640, confidence_min=0.5, threads=1)) is None
