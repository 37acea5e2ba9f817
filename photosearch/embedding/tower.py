"""The Tower protocol: a frozen image-text model that gives patch tokens and comparable vectors."""

from collections.abc import Sequence
from typing import Protocol

from PIL import Image

from photosearch.embedding.embedder import Vectors


class Tower(Protocol):
    """Photos and texts in one space; never trained any more."""

    tower_id: str
    """Hash of weights and preprocessing."""
    image_px: int
    width: int
    """Numbers in a patch token."""
    n_tokens: int
    """Patch tokens of a photo."""

    def embed_photos(self, photos: Sequence[Image.Image]) -> Vectors:
        """Unit vectors of RGB photos by the tower's own pooling, (n, dim)."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of texts in the same space, (n, dim)."""
        ...

    def tokens(self, photos: Sequence[Image.Image]) -> Vectors:
        """Patch tokens, (n, n_tokens, width) float32, not normalised."""
        ...
