"""The encoder service as an Embedder: what the search process uses in place of a model."""

import logging
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
from PIL import Image
from pydantic import BaseModel

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import EncoderUnavailable, ForeignIndex
from photosearch.search.query import Embedded

log = logging.getLogger(__name__)


class Asked(BaseModel):
    """A photo as the tower sees it, and the release whose model is to embed it."""

    release: str
    side_px: int
    """The photo is a square."""
    rgb: bytes
    """side_px x side_px x 3."""

    def as_image(self) -> Image.Image:
        return Image.frombytes("RGB", (self.side_px, self.side_px), self.rgb)


class Encoded(BaseModel):
    """A photo's vector, and the model that made it: whoever compares it can refuse another's."""

    model_id: str
    vector: list[float]
    """Of unit length; as long as the model's longest."""
    tokens: bytes | None = None
    """The head's tokens, (n_tokens, width) float32, where the release compares tokens."""
    n_tokens: int = 0

    @classmethod
    def of(cls, model_id: str, made: Embedded) -> Self:
        """What a model made of a photo, on its way."""
        vector = made.vector.tolist()
        if made.tokens is None:
            return cls(model_id=model_id, vector=vector)
        tokens = made.tokens.astype(np.float32)
        return cls(model_id=model_id, vector=vector, tokens=tokens.tobytes(), n_tokens=len(tokens))

    def made(self) -> Embedded:
        """The same, arrived."""
        vector = np.array(self.vector, np.float32)
        if self.tokens is None:
            return Embedded(vector)
        return Embedded(vector, np.frombuffer(self.tokens, np.float32).reshape(self.n_tokens, -1))


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
        release: str,
        preprocessing: Preprocessing,
        encode: Callable[[list[Asked]], list[Encoded]],
    ) -> None:
        """`encode`: one vector a photo, by the model of `release`."""
        self.model_id = model_id
        self.lengths = lengths
        self._release = release
        self._preprocessing = preprocessing
        self._encode = encode

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        """Unit vectors, (n_photos, lengths[0]); raises what `look` raises."""
        return np.stack([one.vector for one in self._encoded(photos)])

    def look(self, photo: Image.Image) -> Embedded:
        """What the model makes of a photo.

        Raises:
            EncoderUnavailable: It does not answer, is overloaded, or failed.
            ForeignIndex: It runs another model than the index was made by.
        """
        (made,) = self._encoded([photo])
        return made

    def _encoded(self, photos: Sequence[Image.Image]) -> list[Embedded]:
        side_px = self._preprocessing.image_px
        asked = [
            Asked(
                release=self._release,
                side_px=side_px,
                rgb=self._preprocessing.pixels(photo).tobytes(),
            )
            for photo in photos
        ]
        try:
            encoded = self._encode(asked)
        # BentoML, aiohttp and the socket each have errors of their own; all mean no vector.
        except Exception as error:
            log.warning("The encoder failed: %s: %s", type(error).__name__, error)
            raise EncoderUnavailable(
                "The encoder does not answer or has too much to do. Try again in a few seconds."
            ) from error
        for one in encoded:
            if one.model_id != self.model_id:
                raise ForeignIndex(self.model_id, one.model_id)
        return [one.made() for one in encoded]
