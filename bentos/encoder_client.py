"""The encoder service as an Embedder: what the search process uses in place of a model."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import EncoderUnavailable, ForeignIndex

log = logging.getLogger(__name__)


class Encoded(BaseModel):
    """A photo's vector, and the model that made it: whoever compares it can refuse another's."""

    model_id: str
    vector: list[float]
    """Of unit length; as long as the model's longest."""


class RemoteEmbedder:
    """Shrinks photos to what the tower sees and has them embedded elsewhere.

    The encoder's own resize then finds the size right and changes nothing, so the vectors are those
    of the photo itself, while a request carries some 50 KB.
    """

    def __init__(
        self,
        model_id: str,
        lengths: tuple[int, ...],
        *,
        preprocessing: Preprocessing,
        encode: Callable[[NDArray[np.uint8]], list[Encoded]],
    ) -> None:
        """`encode`: (n, image_px, image_px, 3) uint8 -> one vector a photo."""
        self.model_id = model_id
        self.lengths = lengths
        self._preprocessing = preprocessing
        self._encode = encode

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        """Unit vectors, (n_photos, lengths[0]).

        Raises:
            EncoderUnavailable: It does not answer, is overloaded, or failed.
            ForeignIndex: It runs another model than the index was made by.
        """
        pixels = np.stack([self._preprocessing.pixels(photo) for photo in photos])
        try:
            encoded = self._encode(pixels)
        # BentoML, aiohttp and the socket each have errors of their own; all mean no vector.
        except Exception as error:
            log.warning("The encoder failed: %s: %s", type(error).__name__, error)
            raise EncoderUnavailable(
                "The encoder does not answer or has too much to do. Try again in a few seconds."
            ) from error
        for one in encoded:
            if one.model_id != self.model_id:
                raise ForeignIndex(self.model_id, one.model_id)
        return np.array([one.vector for one in encoded], np.float32)
