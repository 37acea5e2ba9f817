"""What it brings to decode a photo no larger than the tower needs, and what it changes.

    OMP_NUM_THREADS=1 python benchmarks/decoding.py --work /tmp/online [--release FOLDER]

Processor milliseconds (least of some rounds) to decode and to resize for the tower, whole and as
`catalog/seen_photo.py` does it; the mean difference of what the tower sees, in levels of 255; with
a release also the cosine of the two vectors. Boxes are squares in the middle of the photo.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from online_photos import SIZES, photos
from PIL import Image

from photosearch.assembly_serving import load_served_embedder
from photosearch.catalog import images
from photosearch.catalog.seen_photo import SeenPhoto, cut, see
from photosearch.embedding.graph import GraphEmbedder
from photosearch.embedding.preprocess import Preprocessing
from photosearch.progress import configure_logging
from photosearch.release import open_release
from photosearch.settings import Services

ROUNDS = 5
BOXES = (1.0, 0.5, 0.25, 0.1)
"""Side of the square as a share of the photo's shorter side; 1 is the whole photo."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="Of benchmarks/online.py.")
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--image-px", type=int, default=224)
    parser.add_argument("--release", type=Path, help="Whose model embeds both.")
    asked = parser.parse_args()
    configure_logging()
    embedder = None
    if asked.release is not None:
        services = Services(encoder_threads=1)
        embedder = load_served_embedder(open_release(asked.release), services)
    tower = Preprocessing(asked.image_px, (0.5,) * 3, (0.5,) * 3)
    if embedder is not None:
        tower = embedder.preprocessing
    _tell("| photo | box | whole, ms | needed, ms | levels apart | least cosine |")
    _tell("|---|---|---|---|---|---|")
    for kind in SIZES:
        contents = photos(asked.work / "photos", kind, asked.photos)
        for share in BOXES:
            _tell(f"| {kind} | {share:g} | {_row(contents, share, tower, embedder)} |")


def _row(
    contents: Sequence[bytes], share: float, tower: Preprocessing, embedder: GraphEmbedder | None
) -> str:
    whole_ms, needed_ms, apart, cosines = [], [], [], []
    for content in contents:
        box = _middle(see(content, name="x", sees_px=None), share)

        def whole(content: bytes = content, box: images.Box | None = box) -> Image.Image:
            photo = images.open_photo(content, name="x")
            return photo if box is None else images.crop(photo, box)

        def needed(content: bytes = content, box: images.Box | None = box) -> Image.Image:
            photo = see(content, name="x", sees_px=tower.image_px)
            return photo.pixels if box is None else cut(photo, box)

        whole_ms.append(_least_ms(lambda: tower.pixels(whole())))
        needed_ms.append(_least_ms(lambda: tower.pixels(needed())))
        one, other = whole(), needed()
        apart.append(np.abs(tower.pixels(one).astype(float) - tower.pixels(other)).mean())
        if embedder is not None:
            both = embedder.embed([one, other])
            cosines.append(float(both[0] @ both[1]))
    least = f"{min(cosines):.5f}" if cosines else ""
    return (
        f"{np.mean(whole_ms):.1f} | {np.mean(needed_ms):.1f} | {np.mean(apart):.2f} "
        f"(most {np.max(apart):.2f}) | {least}"
    )


def _middle(photo: SeenPhoto, share: float) -> images.Box | None:
    if share == 1:
        return None
    width, height = photo.size
    half = min(photo.size) * share / 2
    return width / 2 - half, height / 2 - half, width / 2 + half, height / 2 + half


def _least_ms(run: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        started = time.process_time()
        run()
        took.append(time.process_time() - started)
    return min(took) * 1000


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
