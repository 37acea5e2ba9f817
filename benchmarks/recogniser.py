"""The yardstick of the real photos: how many of them a plain ResNet-18 recogniser names.

Trained from nothing on the photos that the tower of this home is trained on, by the same recipe,
and asked with the photos that `photosearch evaluate --split SPLIT --gallery index` asks with. Half
an hour on 2 cores.

python benchmarks/recogniser.py --home home/grocery --split val
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import timm
import torch
from torch.utils.data import DataLoader

from photosearch.catalog.images import load
from photosearch.catalog.schemas import Card
from photosearch.catalog.tables import read_rows
from photosearch.curation.snapshot import photos_for_tower
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.evaluation.folder import folder_task
from photosearch.home import Home
from photosearch.progress import configure_logging
from photosearch.settings import load_params
from training.data import DecodedPhotos
from training.lightning_fit import fit
from training.tower_module import TowerModule

PX, SIDE_PX = 112, 224
ASKED_PX = (112, 128, 144)


def main() -> None:
    """Prints the share of named photos by the size they are shown at, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="has pulled and has a tower")
    parser.add_argument("--split", required=True)
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    configure_logging()
    home = Home(options.home)
    params = load_params(home.root / "params.yaml")
    group_of = {c.card_id: c.group_id for c in read_rows(home.catalog / "cards.parquet", Card)}
    groups = sorted(set(group_of.values()))
    shown = photos_for_tower(home, params.curation)
    photos = DecodedPhotos(
        home.images, [photo.sha256 for photo in shown],
        [groups.index(group_of[photo.card_id]) for photo in shown], side_px=SIDE_PX,
    )  # fmt: skip
    torch.manual_seed(params.pretraining.seed)
    recogniser = TowerModule(
        timm.create_model("resnet18", num_classes=0).to(memory_format=torch.channels_last),
        len(groups),
        pretraining=params.pretraining.model_copy(update={"px_schedule": [PX]}),
        preprocessing=read_preprocessing(home.tower),
    )
    batches = DataLoader(
        photos, params.pretraining.batch, shuffle=True, drop_last=True, collate_fn=lambda rows: rows
    )
    with tempfile.TemporaryDirectory() as resume:
        fit(recogniser, batches, doing="recogniser", epochs=options.epochs, resume=Path(resume))
    recogniser.eval()
    task = folder_task(home, split=options.split, findable=None)
    asked = [load(home.images, photo.sha256) for photo in task.queries]
    named = {}
    for px in ASKED_PX:
        pixels = replace(read_preprocessing(home.tower), image_px=px).batch(asked)
        with torch.inference_mode():
            scores = recogniser.trunk(torch.from_numpy(pixels)) @ recogniser.names.T
        right = [
            groups[n] == own for n, own in zip(scores.argmax(1), task.query_groups, strict=True)
        ]
        named[px] = round(sum(right) / len(right), 3)
    report = {"photos": len(shown), "queries": len(asked), "named_at_px": named}
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
