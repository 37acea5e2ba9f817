"""A tower is trained from nothing on photos and titles."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_source import card, review, write_folder
from small_tower import png, quarters

from photosearch.catalog.pull import pull
from photosearch.catalog.sources import FolderSource
from photosearch.embedding.augment import Strength, random_views
from photosearch.embedding.backbones import OpenClipTower
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import EmptySource
from photosearch.home import Home
from photosearch.settings import Params, PretrainingParams, TowerParams, load_params
from training.backbone_pretraining import pretrain
from training.tower_module import TowerModule, some_products

# Lightning asks a torch class about itself in a way that torch now calls old.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
LOGOS = {"a": (255, 0, 0), "b": (0, 255, 0), "c": (0, 0, 255), "d": (255, 255, 0)}
"""Four products differ in one quarter of the photo; the rest is light or dark."""


def small_params(**pretraining: object) -> Params:
    params = load_params(Path(__file__).parent.parent / "params.yaml")
    return params.model_copy(
        update={
            "tower": TowerParams(name="photosearch-small", pretrained="own", image_px=64),
            "pretraining": PretrainingParams(
                samples_seen=8, batch=4, learning_rate=0.1, weight_decay=0.0005, px_schedule=[32],
                crop_area_min=0.5, turn_degrees=20, erase_probability=0.25, seed=7,
            ).model_copy(update=pretraining),
            "curation": params.curation.model_copy(
                update={"min_side_px": 16, "near_duplicate_bits": 0, "test_card_share": 0.0,
                        "test_photo_share": 0.0, "page_line_min": 255, "collage_line_min": 255,
                        "blurred_sharpness_max": 0.0}
            ),
        }
    )  # fmt: skip


def pulled_shop(folder: Path, names: list[str]) -> Home:
    """A snapshot of products with a gallery picture and a buyer's photo each."""
    dice = np.random.default_rng(0)
    noise = {
        f"{name}{n}": png(quarters(*dice.integers(0, 255, (4, 3)).tolist()))
        for name in names
        for n in (0, 1)
    }
    cards = [card(name, f"{name}0.jpg", title_ru=f"товар {name}") for name in names]
    reviews = [review(name, name, f"{name}1.jpg", split="train") for name in names]
    home = Home(folder / "home")
    pull(FolderSource(write_folder(folder / "shop", cards, reviews, **noise)), home)
    return home


def test_a_tower_is_trained_from_nothing_on_photos_and_titles(tmp_path: Path):
    home = pulled_shop(tmp_path, ["a", "b", "c", "d"])
    report = pretrain(home, small_params())
    assert (report.photos, report.groups) == (8, 4)
    tower = OpenClipTower(home.tower)
    assert tower.tower_id == report.tower_id
    assert tower.embed_photos([quarters(*LOGOS.values())]).shape == (1, 256)
    assert tower.embed_texts(["товар a"]).shape == (1, 256)
    assert not list(home.resume.glob("*/"))


def test_one_product_is_too_few_to_train_a_tower(tmp_path: Path):
    home = pulled_shop(tmp_path, ["a"])
    with pytest.raises(EmptySource, match="1 product groups are too few to train a tower"):
        pretrain(home, small_params())


def test_views_are_made_on_the_device_of_the_photos():
    photos = torch.zeros(4, 3, 40, 40, dtype=torch.uint8, device="meta")
    views = random_views(photos, 32, strength=Strength(0.5, erase_probability=1.0), seed=7)
    assert (views.device.type, views.shape) == ("meta", (4, 3, 32, 32))


def test_the_means_of_photos_move_with_the_module_and_stay_out_of_its_checkpoints():
    trunk = torch.nn.Linear(2, 2)
    trunk.num_features = 2
    module = TowerModule(
        trunk, 3, pretraining=small_params().pretraining,
        preprocessing=Preprocessing(64, (0.5,) * 3, (0.25,) * 3),
    )  # fmt: skip
    assert sorted(module.state_dict()) == ["names", "trunk.bias", "trunk.weight"]
    assert module.mean.flatten().tolist() == [0.5] * 3
    module.to("meta")
    assert {module.mean.device.type, module.std.device.type} == {"meta"}


@pytest.mark.gpu
def test_a_tower_is_trained_on_a_gpu(tmp_path: Path):
    photos = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8)
    here, there = (
        random_views(pixels, 32, strength=Strength(0.5, erase_probability=0.5), seed=7)
        for pixels in (photos, photos.cuda())
    )
    assert there.cpu().numpy() == pytest.approx(here.numpy(), abs=1e-3)
    chosen = some_products(torch.tensor([2, 5]).cuda(), 6, 4, np.random.default_rng(7))
    assert (
        chosen.tolist()
        == some_products(torch.tensor([2, 5]), 6, 4, np.random.default_rng(7)).tolist()
    )
    report = pretrain(pulled_shop(tmp_path, ["a", "b", "c", "d"]), small_params())
    assert (report.photos, report.groups) == (8, 4)
