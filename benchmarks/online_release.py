"""A release of any size with a tower of production, to be served; made once, piece by piece.

Index, cards and thumbnails are those of `benchmarks/refresh.py` (one photo a card, 256 numbers,
int8); tower and head have weights by chance, which takes the same time. So a query's vector is near
to nothing in the index, what is found means nothing, and only times count. The release has all that
a photo's search passes through but chips: detector, reader, boosted ranker, policies.
"""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightgbm import Dataset, train
from PIL import Image
from refresh import build
from safetensors.torch import save_file

from photosearch.assembly_perception import seeing_of
from photosearch.catalog.schemas import CuratedPhoto
from photosearch.catalog.tables import read_table
from photosearch.embedding.backbones import new_small_tower, save_weights
from photosearch.embedding.embedder import unit
from photosearch.embedding.export import export_graph
from photosearch.embedding.head import build_head
from photosearch.embedding.model import HeadShape, Lineage, read_model, write_model
from photosearch.embedding.tower import CONFIG
from photosearch.home import Home
from photosearch.index.index_folder import LOCK, read_facts, write_facts
from photosearch.perception_settings import DetectorParams
from photosearch.release import MANIFEST, Release, live_release, open_release, seal
from photosearch.search.boosted_ranker import RankerManifest
from photosearch.search.features import FEATURES
from photosearch.search.moderation import write_moderation
from photosearch.search.policies import save_policies
from photosearch.search.ranker_folder import TREES as TREES_FILE
from photosearch.search.ranker_folder import save_ranker, write_ranker
from photosearch.search.seeing import write_seeing
from photosearch.search.thumbnails import link_or_copy
from photosearch.settings import load_params

log = logging.getLogger(__name__)

PARAMS = Path(__file__).parents[1] / "params.yaml"
SIGLIP, SMALL = "siglip2", "small"
SMALL_PX = 160
NAME = "online"
PICTURES = 2000
"""Thumbnails, shared by the cards."""
TREES, LEAVES, RANKED = 60, 7, 40
SHORT_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Eyes:
    """How photos are looked at; both change times alone, but for articles."""

    detector_threads: int
    reads: bool
    """Whether words are read beside the searches."""


def release_to_serve(
    work: Path, n_cards: int, tower: str, base: Path | None, *, eyes: Eyes
) -> Release:
    """Makes what is missing of it under `work`, and opens it.

    Args:
        work: Kept from run to run.
        n_cards: Of the index, where it is made here.
        tower: SIGLIP or SMALL.
        base: A home that benchmarks/refresh.py built; None builds one here.
        eyes: Written anew in each run.
    """
    model, graph = _model(work / tower, tower)
    home = Home(base or work / f"home-{n_cards}")
    if not home.live.exists():
        log.info("building %d cards in %s", n_cards, home.root)
        build(home, n_cards, min(PICTURES, 2 * n_cards))
    live = live_release(home.releases)
    folder = work / f"{live.manifest.release}-{tower}" / NAME
    if not (folder / MANIFEST).exists():
        log.info("putting release %s together", folder)
        shutil.rmtree(folder, ignore_errors=True)
        _put_together(folder, live, model, graph)
    _write_eyes(folder, eyes)
    return open_release(folder)


def _put_together(folder: Path, live: Release, model: Path, graph: Path) -> None:
    """Another release's index and cards under a model of ours; sealed last."""
    besides = shutil.ignore_patterns("model", "graph", "seeing", "ranker", "text", LOCK, MANIFEST)
    shutil.copytree(live.folder, folder, ignore=besides, copy_function=link_or_copy)
    for name, source in (("model", model), ("graph", graph)):
        shutil.copytree(source, folder / name, copy_function=link_or_copy)
    manifest = read_model(model)
    facts = read_facts(folder / "index", model_id=live.manifest.model_id)
    write_facts(folder / "index", replace(facts, model_id=manifest.model_id))
    params = load_params(PARAMS)
    write_moderation(folder, [])
    save_policies(folder, params.policies)
    _write_ranker(folder, manifest.model_id)
    made = replace(
        live.manifest,
        release=NAME,
        model_id=manifest.model_id,
        lengths=list(manifest.head.lengths),
        has_graph=True,
    )
    seal(folder, made)


def _write_eyes(folder: Path, eyes: Eyes) -> None:
    """Our detector, whatever params.yaml has, and its reader."""
    params = load_params(PARAMS)
    seen = {"model": "ours", "threads": eyes.detector_threads}
    detector = DetectorParams(**(params.detector.model_dump() | seen))
    reader = params.ocr.reader if eyes.reads else "off"
    ocr = params.ocr.model_copy(update={"reader": reader})
    seeing, graph = seeing_of(detector, ocr, Home(folder))
    write_seeing(folder, seeing, graph=graph)


def _model(folder: Path, tower: str) -> tuple[Path, Path]:
    """Model folder and graph folder; the graph is proved against PyTorch."""
    model, graph = folder / "model", folder / "graph"
    if not (graph / "golden.npz").exists():
        shutil.rmtree(folder, ignore_errors=True)
        make, width = _MAKE[tower]
        log.info("making tower %s with weights by chance", tower)
        torch.manual_seed(7)
        image_px = make(folder / "tower")
        shape = HeadShape(
            "attention", width, 512, [512, 256, 128, 64], width=256, tokens=8, heads=4
        )
        save_file(build_head(shape).state_dict(), folder / "head.safetensors")
        write_model(
            model,
            tower=folder / "tower",
            head=shape,
            lineage=Lineage("benchmark", 0),
            head_weights=folder / "head.safetensors",
        )
        shutil.rmtree(folder / "tower")
        log.info("exporting its graph: a minute")
        export_graph(model, graph, _squares(8, image_px))
    return model, graph


def _squares(n: int, image_px: int) -> list[Image.Image]:
    colours = np.random.default_rng(1).integers(0, 256, (n, 8, 8, 3), np.uint8)
    return [Image.fromarray(one).resize((image_px, image_px)) for one in colours]


def _small(folder: Path) -> int:
    """Our own tower as the demo has it, untrained."""
    save_weights(new_small_tower(folder, SMALL_PX), folder)
    return SMALL_PX


def _siglip(folder: Path) -> int:
    """The photo side of SigLIP 2 B/16 at 224 px; its text side is a dwarf, which serves nobody."""
    import open_clip

    config: dict[str, Any] = dict(open_clip.get_model_config("ViT-B-16-SigLIP2"))
    dwarf = {"context_length": 16, "vocab_size": 512, "width": 64, "heads": 2, "layers": 1}
    config["text_cfg"] = dwarf
    folder.mkdir(parents=True)
    registered = folder / "benchmark-siglip.json"
    registered.write_text(json.dumps(config))
    open_clip.add_model_config(registered)
    registered.unlink()
    model = open_clip.create_model("benchmark-siglip", pretrained=None, pretrained_hf=False)
    save_weights(model, folder)
    half = [0.5] * 3
    seen = {"mean": half, "std": half, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": seen}))
    image_px: int = config["vision_cfg"]["image_size"]
    return image_px


_MAKE: dict[str, tuple[Callable[[Path], int], int]] = {SIGLIP: (_siglip, 768), SMALL: (_small, 512)}
"""By name: what makes the tower's folder and tells its image side; width of its tokens."""


def _write_ranker(folder: Path, model_id: str) -> None:
    """Trees of a trained ranker's size, and short vectors, both by chance."""
    dice = np.random.default_rng(7)
    table, wanted = dice.normal(size=(5000, len(FEATURES))), dice.normal(size=5000)
    shape = {"objective": "regression", "num_leaves": LEAVES, "verbose": -1, "num_threads": 1}
    trees = train(shape, Dataset(table, wanted), num_boost_round=TREES).model_to_string()
    trained = folder / "ranker-as-trained"
    trained.mkdir()
    manifest = RankerManifest(model_id, list(FEATURES), 12.0, -6.0, RANKED, SHORT_LENGTH)
    save_ranker(trained, manifest, trees={TREES_FILE: trees}, clicks=[])
    photo_ids = read_table(folder / "photos.parquet", CuratedPhoto)["photo_id"].to_pylist()
    short = unit(dice.standard_normal((len(photo_ids), SHORT_LENGTH), np.float32))
    write_ranker(folder / "ranker", trained, [TREES_FILE], photo_ids=photo_ids, vectors=short)
    shutil.rmtree(trained)
