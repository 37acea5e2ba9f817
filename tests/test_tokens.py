"""The cache of patch tokens: what the tower saw is there again, in every form it is kept in."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_tower import ColourTower, quarters, write_curated

from photosearch.assembly import boxed_views
from photosearch.embedding import token_shards
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.token_shards import (
    ShardReader,
    ShardShape,
    ShardWriter,
    from_stored,
    to_stored,
)
from photosearch.embedding.tokens import (
    BoxedViews,
    TokensReport,
    cache_tokens,
    open_tokens,
    pool_view,
)
from photosearch.errors import BadArtifact, BadParams
from photosearch.head_settings import BoxedViewsParams, TokensParams
from photosearch.home import Home
from photosearch.settings import Services, Settings, load_params

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
PHOTOS = [
    quarters(RED, BLUE, WHITE, GREEN),
    quarters(BLUE, BLUE, RED, GREEN),
    quarters(WHITE, GREEN, RED, RED),
]
PLAIN = TokensParams(views=1, form="bf16", pool=1, seed=7)
VIEWS = PLAIN.model_copy(update={"views": 3})


class CountingTower(ColourTower):
    """Counts the photos it is shown, views included."""

    def __init__(self) -> None:
        self.n_shown = 0

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        self.n_shown += len(photos)
        return super().tokens(photos)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    write_photos(home, 0, 1)
    return home


def write_photos(home: Home, *numbers: int, split: str = "train") -> None:
    write_curated(home, [(f"c{n}/gallery/0", PHOTOS[n]) for n in numbers], split=split)


def cached(home: Home) -> dict[tuple[str, int], list[list[float]]]:
    """Tokens by photo and view."""
    cache = open_tokens(home.tokens)
    tokens = cache.read(range(len(cache.rows))).float().tolist()
    return {(row.photo_id, row.view): seen for row, seen in zip(cache.rows, tokens, strict=True)}


def test_the_cache_gives_back_what_the_tower_saw_and_its_views(home: Home):
    report = cache_tokens(home, ColourTower(), tokens=VIEWS)
    assert (report.photos, report.rows, report.tower_id) == (2, 6, "colours")
    assert report.bytes_a_row == 2 * 4 * 8
    cache = open_tokens(home.tokens)
    assert [(row.photo_id, row.view) for row in cache.rows[:4]] == [
        *(("c0/gallery/0", view) for view in range(3)),
        ("c1/gallery/0", 0),
    ]
    plain = torch.from_numpy(ColourTower().tokens(PHOTOS[:2])).bfloat16()
    assert torch.equal(cache.read([0, 3]), plain)
    assert not torch.equal(cache.read([1]), cache.read([0]))


def test_views_depend_on_photo_and_seed_alone(home: Home):
    def of_seed(seed: int) -> dict[tuple[str, int], list[list[float]]]:
        cache_tokens(home, ColourTower(), tokens=VIEWS.model_copy(update={"seed": seed}))
        return cached(home)

    first = of_seed(7)
    write_photos(home, 1, 0)
    assert of_seed(7) == first
    other = of_seed(8)
    changed = {view for (photo, view), tokens in other.items() if first[photo, view] != tokens}
    assert changed == {1, 2}  # view 0 is the photo as it is


def in_the_corner(told: str = "corner") -> BoxedViews:
    return BoxedViews(told, lambda photo, _: [(0, 0, photo.width / 4, photo.height / 4)])


def test_boxed_views_show_what_is_in_the_box(home: Home):
    red = Image.new("RGB", (64, 64), RED)
    red.paste(BLUE, (32, 0, 64, 64))
    write_curated(home, [("c0/gallery/0", red)], split="train")
    cache_tokens(home, ColourTower(), tokens=VIEWS, boxed=in_the_corner())
    plain, boxed = (np.array(cached(home)["c0/gallery/0", view]) for view in (0, 2))
    pure = ColourTower().tokens([Image.new("RGB", (64, 64), RED)])[0]
    assert np.abs(boxed - pure).max() < np.abs(boxed - plain).max()


def test_other_boxes_are_other_views(home: Home):
    tower = CountingTower()
    for told, n_shown in (("corner", 6), ("corner", 6), ("another detector", 12)):
        cache_tokens(home, tower, tokens=VIEWS, boxed=in_the_corner(told))
        assert tower.n_shown == n_shown


def test_where_nothing_was_found_the_views_are_those_without_boxes(home: Home):
    cache_tokens(home, ColourTower(), tokens=VIEWS)
    plain = cached(home)
    cache_tokens(home, ColourTower(), tokens=VIEWS, boxed=BoxedViews("blind", lambda *_: []))
    assert cached(home) == plain


def test_boxed_views_take_a_detector(tmp_path: Path):
    boxed = BoxedViewsParams(views=1, shift=0.1, scale=0.15, wrong=0.05)
    params = load_params(Path(__file__).parent.parent / "params.yaml")
    tokens = params.tokens.model_copy(update={"boxed": boxed})
    params = params.model_copy(update={"tokens": tokens})
    settings = Settings(home=Home(tmp_path), params=params, services=Services())
    with pytest.raises(BadParams, match=r"detector\.model is none.*set tokens\.boxed to null"):
        boxed_views(settings)


def test_the_plain_view_is_never_boxed():
    told = {"views": 2, "shift": 0, "scale": 0, "wrong": 0}
    with pytest.raises(ValueError, match=r"boxed\.views is 2: only 1 of 2 views are augmented"):
        TokensParams.model_validate(PLAIN.model_dump() | {"views": 2, "boxed": told})


def test_only_training_photos_get_views(home: Home):
    write_photos(home, 0, split="test")
    assert cache_tokens(home, ColourTower(), tokens=VIEWS).rows == 1


def test_a_second_pass_shows_the_tower_new_photos_only(home: Home):
    tower = CountingTower()
    cache_tokens(home, tower, tokens=VIEWS)
    before = cached(home)
    assert tower.n_shown == 6
    write_photos(home, 2, 1, 0)
    assert cache_tokens(home, tower, tokens=VIEWS).photos_run == 1
    assert tower.n_shown == 9
    after = cached(home)
    assert {key: after[key] for key in before} == before
    assert next(iter(after)) == ("c2/gallery/0", 0)


def test_a_pass_over_nothing_new_runs_no_tower(home: Home):
    tower = CountingTower()
    for _ in range(2):
        report = cache_tokens(home, tower, tokens=VIEWS)
    assert (report.photos_run, tower.n_shown) == (0, 6)


def test_the_new_cache_equals_one_that_was_made_at_once(home: Home, tmp_path: Path):
    for numbers in ((0, 1), (1, 2)):
        write_photos(home, *numbers)
        cache_tokens(home, ColourTower(), tokens=VIEWS)
    fresh = Home(tmp_path / "fresh")
    write_photos(fresh, 1, 2)
    cache_tokens(fresh, ColourTower(), tokens=VIEWS)
    assert cached(home) == cached(fresh)


def test_a_shard_that_hardly_serves_any_more_is_given_up(home: Home):
    write_photos(home, 0, 1, 2)
    tower = CountingTower()
    cache_tokens(home, tower, tokens=PLAIN)
    write_photos(home, 2)
    cache_tokens(home, tower, tokens=PLAIN)
    assert tower.n_shown == 3
    assert [path.name for path in sorted(home.tokens.glob("shard-*"))] == ["shard-00001.tokens"]
    assert (home.tokens / "shard-00001.tokens").stat().st_size == 2 * 4 * 8


def test_a_photo_that_moves_into_training_gets_its_views(home: Home):
    write_photos(home, 0, split="val")
    cache_tokens(home, ColourTower(), tokens=VIEWS)
    write_photos(home, 0)
    assert cache_tokens(home, ColourTower(), tokens=VIEWS).rows == 3
    assert len(cached(home)) == 3


@pytest.mark.parametrize("changed", [{"form": "int8"}, {"seed": 8}])
def test_other_settings_make_all_tokens_anew(home: Home, changed: dict[str, object]):
    tower = CountingTower()
    cache_tokens(home, tower, tokens=VIEWS)
    cache_tokens(home, tower, tokens=VIEWS.model_copy(update=changed))
    assert tower.n_shown == 12


def test_another_tower_makes_all_tokens_anew(home: Home):
    cache_tokens(home, ColourTower(), tokens=PLAIN)
    other = CountingTower()
    other.tower_id = "other"
    assert cache_tokens(home, other, tokens=PLAIN).photos_run == 2


def test_int8_tokens_take_half_the_bytes_and_lie_within_half_a_step(home: Home):
    report = cache_tokens(home, ColourTower(), tokens=PLAIN.model_copy(update={"form": "int8"}))
    assert report.bytes_a_row == 4 * 8 + 4 * 4
    exact = torch.from_numpy(ColourTower().tokens(PHOTOS[:2]))
    error = (open_tokens(home.tokens).read([0, 1]).float() - exact).abs().amax(dim=2)
    # half a step of 127, and the rounding of the numbers to bf16
    assert (error <= exact.abs().amax(dim=2) * (0.5 / 127 + 2**-8)).all()


def test_a_token_of_zeros_survives_int8():
    raw = to_stored(np.zeros((1, 2, 3), np.float32), "int8")
    assert from_stored(raw).tolist() == [[[0.0] * 3] * 2]


@pytest.mark.parametrize("form", ["bf16", "int8"])
def test_rows_are_read_from_any_number_of_shards(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(token_shards, "ROWS_A_SHARD", 3)
    shape = ShardShape(2, 4, form, 1)
    tokens = np.random.default_rng(0).normal(size=(8, 2, 4)).astype(np.float32)
    writer = ShardWriter(tmp_path, shape, first=5)
    places = writer.append(to_stored(tokens[:2], form)) + writer.append(to_stored(tokens[2:], form))
    writer.close()
    assert places == [(5, 0), (5, 1), (5, 2), (6, 0), (6, 1), (6, 2), (7, 0), (7, 1)]
    asked = [7, 0, 4, 4]
    shards, at = zip(*(places[row] for row in asked), strict=True)
    read = from_stored(ShardReader(tmp_path, shape).read(shards, at))
    assert torch.equal(read, from_stored(to_stored(tokens[asked], form)))


@pytest.mark.parametrize("broken", ["tokens.json", "shard-00000.tokens"])
def test_a_cache_that_lost_a_file_is_refused(home: Home, broken: str):
    cache_tokens(home, ColourTower(), tokens=PLAIN)
    (home.tokens / broken).unlink()
    with pytest.raises(BadArtifact, match=r"not a whole token cache.*Run `photosearch tokens`"):
        open_tokens(home.tokens)


@pytest.mark.parametrize("missing_bytes", [2, 64])
def test_a_cache_that_was_cut_short_is_refused(home: Home, missing_bytes: int):
    cache_tokens(home, ColourTower(), tokens=PLAIN)
    stored = home.tokens / "shard-00000.tokens"
    stored.write_bytes(stored.read_bytes()[:-missing_bytes])
    with pytest.raises(BadArtifact, match="not a whole token cache"):
        open_tokens(home.tokens)


def test_a_broken_cache_is_made_anew_by_the_next_pass(home: Home):
    cache_tokens(home, ColourTower(), tokens=PLAIN)
    (home.tokens / "shard-00000.tokens").unlink()
    assert cache_tokens(home, ColourTower(), tokens=PLAIN).photos_run == 2
    assert len(cached(home)) == 2


def test_the_report_beside_the_tokens_says_what_they_are(home: Home):
    report = cache_tokens(home, ColourTower(), tokens=PLAIN)
    assert TokensReport(**json.loads((home.tokens / "tokens.json").read_text())) == report


def test_one_view_of_every_photo_is_pooled_in_batches(home: Home):
    cache_tokens(home, ColourTower(), tokens=VIEWS)
    rows, vectors = pool_view(open_tokens(home.tokens), 0, lambda t: t.mean(axis=1), rows_a_batch=1)
    assert [row.photo_id for row in rows] == ["c0/gallery/0", "c1/gallery/0"]
    assert vectors == pytest.approx(ColourTower().tokens(PHOTOS[:2]).mean(axis=1), abs=0.01)
