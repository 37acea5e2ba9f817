"""The Tower protocol, a frozen image-text model, and the folder that holds one.

A tower folder holds `open_clip_config.json`, `open_clip_model.safetensors` and tokenizer files.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image

from photosearch.embedding.embedder import Vectors
from photosearch.errors import BadArtifact

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


class Tower(Protocol):
    """Photos and texts in one space; never trained any more."""

    tower_id: str
    """Hash of weights and preprocessing."""
    image_px: int
    width: int
    """Numbers in a patch token."""
    n_tokens: int
    """Tokens of a photo."""
    pool: int
    """Side of the squares of patches whose mean is a token; 1 gives every patch."""

    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        """Unit vectors of RGB photos by the tower's own pooling, (n, dim)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts in the same space, (n, dim)."""
        ...

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        """Patch tokens, (n, n_tokens, width) float32, not normalised."""
        ...


def tower_id(folder: Path) -> str:
    """First 12 hex digits of a hash over a tower folder's config and weights.

    Raises:
        BadArtifact: One of the two files is missing.
    """
    digest = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        try:
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            raise BadArtifact(f"{folder} has no {name}. Run `photosearch tower`.") from None
    return digest.hexdigest()[:12]
