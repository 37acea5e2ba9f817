"""Frozen towers from open_clip: SigLIP 2 from hub, mirror or folder, or the small one of ours.

Each ends up as a tower folder, which open_clip loads as `local-dir:FOLDER`: whatever comes after
works without the hub.
"""

import json
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.preprocess import read_preprocessing
from photosearch.embedding.torch_device import autocast, choose_device
from photosearch.embedding.tower import CONFIG, WEIGHTS, tower_id
from photosearch.errors import BadArtifact, BadParams, TowerUnreachable
from photosearch.settings import TowerParams

log = logging.getLogger(__name__)

SMALL = "photosearch-small"
SMALL_CONFIG = Path(__file__).with_name("photosearch_small.json")
HUB = "https://huggingface.co"
PHOTOS_A_BATCH = 64


@dataclass(frozen=True, slots=True)
class TowerReport:
    tower_id: str
    origin: str
    """Folder or published name."""


class OpenClipTower:
    """A tower folder in memory; see the Tower protocol."""

    def __init__(self, folder: Path, *, pool: int = 1) -> None:
        self.pool = pool
        self.tower_id = tower_id(folder)
        self.preprocessing = read_preprocessing(folder)
        self.image_px = self.preprocessing.image_px
        self._folder = folder
        self._device = choose_device()
        model = load_open_clip(folder).to(self._device.name)
        self._model = model.to(memory_format=torch.channels_last)  # convolutions are faster so
        self._tokenizer: Any = None  # made by the first text: photos do not need it
        with torch.inference_mode():
            blank = torch.zeros(1, 3, self.image_px, self.image_px, device=self._device.name)
            _, self.n_tokens, self.width = self._tokens(blank).shape

    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        return self._in_batches(photos, self._model.encode_image)

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        return self._in_batches(photos, self._tokens, normalise=False)

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self._folder)
        with torch.inference_mode(), autocast(self._device):
            words = self._tokenizer(list(texts)).to(self._device.name)
            return unit(self._model.encode_text(words).float().cpu().numpy())

    def _tokens(self, pixels: Tensor) -> Tensor:
        return pooled_patches(patch_tokens(self._model.visual, pixels), self.pool)

    def _in_batches(
        self, photos: Sequence[Image.Image], encode: Any, *, normalise: bool = True
    ) -> Vectors:
        parts: list[Vectors] = []
        for start in range(0, len(photos), PHOTOS_A_BATCH):
            batch = self.preprocessing.batch(photos[start : start + PHOTOS_A_BATCH])
            with torch.inference_mode(), autocast(self._device):
                encoded = encode(torch.from_numpy(batch).to(self._device.name))
            parts.append(encoded.float().cpu().numpy())
        encoded_all = np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
        return unit(encoded_all) if normalise else encoded_all


def patch_tokens(visual: Any, pixels: Tensor) -> Tensor:
    """Patch tokens of any open_clip visual tower, (B, T, D).

    A timm ViT gives tokens as they are, a timm ConvNet a feature map whose cells are the tokens,
    and a native open_clip ViT both pooled vector and tokens.
    """
    if hasattr(visual, "trunk"):
        features: Tensor = visual.trunk.forward_features(pixels)
        if features.ndim == 4:
            return features.flatten(2).transpose(1, 2)
        return features[:, visual.trunk.num_prefix_tokens :]
    visual.output_tokens = True
    tokens: Tensor = visual(pixels)[1]
    visual.output_tokens = False
    return tokens


def pooled_patches(tokens: Tensor, pool: int) -> Tensor:
    """Means of squares of `pool` x `pool` patches, (B, T, D) -> (B, fewer, D); rests at the edges.

    Raises:
        BadParams: The patches are no square grid.
    """
    if pool == 1:
        return tokens
    side = math.isqrt(tokens.shape[1])
    if side * side != tokens.shape[1]:
        raise BadParams(
            f"tokens.pool {pool} needs a square grid of patches, this tower gives "
            f"{tokens.shape[1]}. Set tokens.pool to 1 in params.yaml."
        )
    grid = tokens.transpose(1, 2).reshape(tokens.shape[0], -1, side, side)
    return F.avg_pool2d(grid, pool, ceil_mode=True).flatten(2).transpose(1, 2)


def new_small_tower(folder: Path, image_px: int) -> Any:
    """Registers our small tower with open_clip, sized for `image_px`, and builds it untrained.

    The tokenizer files must lie in `folder` already; the config is written beside them.
    """
    import open_clip

    folder.mkdir(parents=True, exist_ok=True)
    model_cfg = json.loads(SMALL_CONFIG.read_text())
    model_cfg["vision_cfg"]["image_size"] = image_px
    preprocess_cfg = {
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    }
    config = {"model_cfg": model_cfg, "preprocess_cfg": preprocess_cfg}
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n")
    registered = folder / f"{SMALL}.json"
    registered.write_text(json.dumps(model_cfg))
    open_clip.add_model_config(registered)
    registered.unlink()
    return open_clip.create_model(SMALL, pretrained=None, pretrained_hf=False)


def save_weights(model: nn.Module, folder: Path) -> None:
    """Writes the weights of a tower beside its config, atomically."""
    from safetensors.torch import save_file

    partial = folder / f".{WEIGHTS}.{os.getpid()}"
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, partial)
    partial.replace(folder / WEIGHTS)


def fetch_tower(tower: TowerParams, folder: Path, *, mirror: str = "") -> TowerReport:
    """Brings a published tower into a tower folder, from another folder, a mirror or the hub.

    Args:
        tower: `pretrained` is a folder, or a tag that open_clip knows for `name`.
        folder: Where it goes.
        mirror: Address of a mirror of the hub; empty means the hub.

    Raises:
        TowerUnreachable: No weights can be had; the message names the ways out.
    """
    import open_clip

    name, pretrained = tower.name, tower.pretrained
    source = Path(pretrained)
    if (source / CONFIG).is_file():
        copy_tower(source, folder)
        return TowerReport(tower_id(folder), str(source))
    known = open_clip.list_pretrained_tags_by_model(name)
    if pretrained not in known:
        raise TowerUnreachable(
            f"Tower {name!r} has no weights {pretrained!r}: that is no folder with {CONFIG}, and "
            f"open_clip knows {', '.join(known) or 'none'}. Set tower.name and tower.pretrained in "
            "params.yaml to a published pair, to such a folder, or to photosearch-small and own."
        )
    model, tokenizer = _download(name, pretrained, mirror or os.environ.get("HF_ENDPOINT", HUB))
    config = open_clip.get_model_config(name)
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(tokenizer, "tokenizer") and hasattr(tokenizer.tokenizer, "save_pretrained"):
        tokenizer.tokenizer.save_pretrained(folder)
        config["text_cfg"]["hf_tokenizer_name"] = "."
    preprocess = open_clip.get_model_preprocess_cfg(model)
    wanted = {key: preprocess[key] for key in ("mean", "std", "interpolation", "resize_mode")}
    save_weights(model, folder)
    text = json.dumps({"model_cfg": config, "preprocess_cfg": wanted}, indent=1)
    (folder / CONFIG).write_text(text + "\n")  # written last: its existence means it is complete
    return TowerReport(tower_id(folder), f"{name}/{pretrained}")


def copy_tower(source: Path, folder: Path) -> None:
    """Copies a tower folder's files; the config last, so its existence means it is complete."""
    import shutil

    folder.mkdir(parents=True, exist_ok=True)
    if not (source / WEIGHTS).is_file():
        raise TowerUnreachable(f"{source} has {CONFIG} but no {WEIGHTS}. Copy the weights there.")
    names = [path.name for path in source.iterdir() if path.is_file() and path.name != CONFIG]
    for name in [*sorted(names), CONFIG]:
        shutil.copyfile(source / name, folder / name)


def load_open_clip(folder: Path) -> Any:
    """Loads a tower folder for inference; raises BadArtifact if a file is missing or damaged."""
    import open_clip
    from safetensors import SafetensorError

    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise BadArtifact(f"{folder} has no {name}. Run `photosearch tower` to make it.")
    try:
        return open_clip.create_model(f"local-dir:{folder}").eval()
    except (RuntimeError, OSError, ValueError, KeyError, SafetensorError) as error:
        raise BadArtifact(f"{folder} cannot be loaded: {error}. Make the tower again.") from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer that lies in a tower folder (or open_clip's own, if the config names none)."""
    import open_clip

    return open_clip.get_tokenizer(f"local-dir:{folder}")


def _download(name: str, pretrained: str, address: str) -> tuple[Any, Any]:
    """Model and tokenizer from the hub, or an error that names the ways out.

    The hub is asked once, briefly, before open_clip: that would retry for a minute.
    """
    import httpx
    import open_clip

    try:
        if os.environ.get("HF_HUB_OFFLINE") == "1":
            raise OSError("HF_HUB_OFFLINE=1 forbids it")
        httpx.head(address, timeout=5.0)
        return open_clip.create_model(name, pretrained=pretrained), open_clip.get_tokenizer(name)
    # hub errors are OSError; open_clip turns a missing file into RuntimeError
    except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError) as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise TowerUnreachable(
            f"The weights {pretrained!r} of tower {name!r} cannot be fetched from {address}: "
            f"{first_line}. Three ways out: connect to the hub; set PHOTOSEARCH_HUB_MIRROR to a "
            f"mirror; or set tower.pretrained in params.yaml to a folder with {CONFIG} and "
            f"{WEIGHTS}. Without any of them set tower.name to photosearch-small and "
            "tower.pretrained to own."
        ) from None
