"""`python -m simulator.scenes_folder FOLDER`: writes scenes and their true boxes and masks.

boxes.parquet   one row a product, columns as those that Label Studio's answers have
empty.txt       the photos that show no product, one sha256 a line
images/         photos by the hash of their content, as a home keeps them
masks/          SHA256.png: white where a product is
"""

import argparse
import hashlib
import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from simulator.dice import dice
from simulator.scenes import Scene, make_scene
from simulator.world import World

CARDS = 100
"""Of each world: its products are drawn once and seen on several scenes."""


def main() -> None:
    """Writes the folder under a temporary name and renames it."""
    arguments = _arguments()
    folder: Path = arguments.folder
    if folder.exists():
        sys.exit(f"{folder} exists. Delete it, or name a folder that is not there.")
    partial = folder.with_name(f".{folder.name}.partial")
    (partial / "masks").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    empty: list[str] = []
    for seed in range(arguments.seed, arguments.seed + arguments.worlds):
        world = World(seed, CARDS)
        for number in range(arguments.scenes):
            scene = make_scene(world, number)
            sha256 = _write_photo(partial, world, number, scene)
            shown = _rows(scene, f"scene/{seed}/{number}", sha256)
            rows += shown
            if not shown:
                empty.append(sha256)
        sys.stdout.write(f"world {seed}: {arguments.scenes} scenes, {len(rows)} boxes so far\n")
        sys.stdout.flush()
    pq.write_table(pa.Table.from_pylist(rows), partial / "boxes.parquet")
    (partial / "empty.txt").write_text("".join(f"{sha256}\n" for sha256 in empty))
    partial.rename(folder)


def _write_photo(folder: Path, world: World, number: int, scene: Scene) -> str:
    """Keeps a scene as JPEG and its mask as PNG; returns the hash of the JPEG."""
    content = io.BytesIO()
    quality = int(dice(world.seed, "quality", number).integers(40, 90))
    scene.image.save(content, "JPEG", quality=quality)
    sha256 = hashlib.sha256(content.getvalue()).hexdigest()
    path = folder / "images" / sha256[:2] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.getvalue())
    mask = np.zeros((scene.image.height, scene.image.width), bool)
    for product in scene.products:
        mask |= product.mask
    Image.fromarray(mask).save(folder / "masks" / f"{sha256}.png")
    return sha256


def _rows(scene: Scene, photo_id: str, sha256: str) -> list[dict[str, object]]:
    """Boxes in shares of the photo's sides."""
    width, height = scene.image.size
    return [
        {
            "photo_id": photo_id,
            "sha256": sha256,
            "left": product.box[0] / width,
            "top": product.box[1] / height,
            "right": product.box[2] / width,
            "bottom": product.box[3] / height,
            "annotator": "simulator",
            "drawn_at": "2025-01-01T00:00:00Z",
        }
        for product in scene.products
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m simulator.scenes_folder", description="Writes scenes with true boxes."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=101, help="of the first world")
    parser.add_argument("--worlds", type=int, default=8, help="with seeds one after another")
    parser.add_argument("--scenes", type=int, default=300, help="of each world")
    return parser.parse_args()


if __name__ == "__main__":
    main()
