"""The simulator's scenes with several products, and the folder they are written to."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from photosearch.catalog.images import load
from simulator.camera import Seen
from simulator.scenes import Table, make_scene
from simulator.world import World

WORLD = World(31, 40)


def test_a_scene_is_always_the_same():
    once, again = (make_scene(WORLD, 4) for _ in range(2))
    assert once.image.tobytes() == again.image.tobytes()
    assert [p.box for p in once.products] == [p.box for p in again.products]


def test_masks_lie_in_their_boxes_and_not_over_each_other():
    scene = make_scene(WORLD, 0, cards=[1, 2, 3, 4, 5, 6, 7, 8])
    assert len(scene.products) > 4
    covered = np.zeros((scene.image.height, scene.image.width), int)
    for product in scene.products:
        left, top, right, bottom = product.box
        inside = product.mask[top:bottom, left:right]
        assert inside.sum() == product.mask.sum() > 0
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()
        covered += product.mask
    assert covered.max() == 1


def test_a_product_looks_different_from_the_ground_where_its_mask_is():
    with_product = make_scene(WORLD, 11, cards=[9])
    mask = with_product.products[0].mask
    pixels = np.asarray(with_product.image.convert("L"), float)
    inside, outside = pixels[mask], pixels[~mask]
    assert inside.std() > 1.3 * outside.std() or abs(inside.mean() - outside.mean()) > 10


def test_the_cards_asked_for_are_shown_alone_or_together():
    assert [p.card for p in make_scene(WORLD, 3, cards=[17]).products] == [17]
    shown = {p.card for p in make_scene(WORLD, 3, cards=[5, 6, 7]).products}
    assert shown <= {5, 6, 7}
    assert shown


def test_scenes_have_from_none_to_ten_products():
    counts = [len(make_scene(WORLD, number).products) for number in range(40)]
    assert min(counts) == 0
    assert counts.count(1) > 5
    assert max(counts) >= 8


def square(side: int, x: int, y: int) -> tuple[Seen, None]:
    return Seen(Image.new("RGBA", (side, side), "red"), (x, y)), None


def test_nothing_is_put_where_it_would_hide_most_of_a_product():
    table = Table(Image.new("RGB", (100, 100)), [])
    assert table.add(1, square(20, 10, 10))
    assert not table.add(2, square(40, 0, 0))
    assert not table.add(None, square(40, 0, 0))
    assert table.add(2, square(40, 20, 0))  # hides half of the first
    first, second = table.products()
    assert (first.box, first.mask.sum()) == ((10, 10, 20, 30), 200)
    assert second.box == (20, 0, 60, 40)


def test_a_product_stands_mostly_inside_the_photo():
    table = Table(Image.new("RGB", (100, 100)), [])
    assert not table.add(1, square(20, 95, 50))
    assert table.add(None, square(20, 95, 50))
    assert table.add(1, square(20, 84, 50))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenes") / "folder"
    command = [sys.executable, "-m", "simulator.scenes_folder", str(path), "--worlds", "2"]
    subprocess.run([*command, "--scenes", "6"], check=True, capture_output=True, timeout=120)
    return path


def test_a_folder_has_every_scene_with_its_boxes_and_mask(folder: Path):
    boxes = pq.read_table(folder / "boxes.parquet")
    empty = (folder / "empty.txt").read_text().split()
    sha256s = {path.name for path in (folder / "images").glob("??/*")}
    assert len(sha256s) == 12
    assert sha256s == set(empty) | set(boxes["sha256"].to_pylist())
    for sha256 in sha256s:
        mask = Image.open(folder / "masks" / f"{sha256}.png")
        assert mask.size == load(folder / "images", sha256).size
        assert (np.asarray(mask).max() == 0) == (sha256 in empty)
    for name in ("left", "top", "right", "bottom"):
        assert all(0 <= share <= 1 for share in boxes[name].to_pylist())


def test_a_folder_that_is_there_is_not_written_over(folder: Path):
    command = [sys.executable, "-m", "simulator.scenes_folder", str(folder), "--scenes", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "exists. Delete it" in done.stderr
