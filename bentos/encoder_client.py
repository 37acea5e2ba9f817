"""The encoder service as an Embedder: what the search process uses in place of a model."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import EncoderUnavailable, ForeignIndex
from photosearch.search.query import Embedded

Shape = tuple[int, ...]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A photo as the tower sees it, and the release whose model is to embed it."""

    release: str
    rgb: NDArray[np.uint8]
    """A square, (side, side, 3)."""

    def as_image(self) -> Image.Image:
        return Image.fromarray(self.rgb)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What was made of a photo, and by which model: whoever compares it can refuse another's."""

    model_id: str
    made: Embedded

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled as bytes: arrays take twice as long, on both sides of a line."""
        vector, tokens = self.made.vector.astype(np.float32), self.made.tokens
        apart = None if tokens is None else (tokens.astype(np.float32).tobytes(), tokens.shape)
        return _encoded, (self.model_id, vector.tobytes(), apart)


def _encoded(model_id: str, vector: bytes, tokens: tuple[bytes, Shape] | None) -> Encoded:
    read = None if tokens is None else np.frombuffer(tokens[0], np.float32).reshape(tokens[1])
    return Encoded(model_id, Embedded(np.frombuffer(vector, np.float32), read))


class RemoteEmbedder:
    """Shrinks photos to what the tower sees and has them embedded elsewhere.

    The encoder's own resize then finds the size right and changes nothing, so the vectors are those
    of the photo itself, while a request carries some 150 KB at 224 px.
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
        asked = [Asked(self._release, self._preprocessing.pixels(photo)) for photo in photos]
        try:
            encoded = self._encode(asked)
        # BentoML, the line and the socket each have errors of their own; all mean no vector.
        except Exception as error:
            log.warning("The encoder failed: %s: %s", type(error).__name__, error)
            raise EncoderUnavailable(
                "The encoder does not answer or has too much to do. Try again in a few seconds."
            ) from error
        for one in encoded:
            if one.model_id != self.model_id:
                raise ForeignIndex(self.model_id, one.model_id)
        return [one.made for one in encoded]
