"""Photos to search with, as shoppers send them: of a phone, 12 megapixels; and small ones.

Scenes of the simulator (one to ten products, so that the detector has something to find), enlarged,
with the noise of a sensor, as JPEG. A phone's lies on its side and says so in EXIF.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.progress import track
from simulator.scenes import make_scene
from simulator.world import World

SIZES = {"phone": (3000, 4000), "small": (750, 1000)}
"""Width and height, upright."""
NOISE = {"phone": 5.0, "small": 4.0}
"""Standard deviation of the sensor's noise, in levels of 255."""
QUALITY = 90
SIDEWAYS = 6
"""EXIF orientation of a phone held upright."""


def photos(folder: Path, kind: str, n: int) -> list[bytes]:
    """Photos of a kind, always the same; kept in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}-{number}.jpg" for number in range(n)]
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    world = World(7, 100)
    for number in track(missing, f"drawing {kind} photos", len(missing)):
        partial = paths[number].with_suffix(".part")
        partial.write_bytes(_photo(make_scene(world, number).image, kind, number))
        partial.replace(paths[number])
    return [path.read_bytes() for path in paths]


def _photo(scene: Image.Image, kind: str, number: int) -> bytes:
    width, height = SIZES[kind]
    large = scene.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    noise = np.random.default_rng((7, number)).normal(0, NOISE[kind], (height, width, 1))
    noisy = Image.fromarray((np.asarray(large) + noise).clip(0, 255).astype(np.uint8))
    content, exif = io.BytesIO(), Image.Exif()
    if kind == "phone":
        exif[0x0112] = SIDEWAYS
        noisy = noisy.transpose(Image.Transpose.ROTATE_90)
    noisy.save(content, "JPEG", quality=QUALITY, exif=exif)
    return content.getvalue()
