"""Text encoders of any kind by name; the one that services run, and the aligner, are beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.ngrams import NGRAMS, EncodeTexts, ngram_encoder
from photosearch.errors import TextEncoderUnavailable

TOWER = "tower"
"""The encoder that is the text side of the model's own tower."""
TEXTS_A_BATCH = 256


def in_batches(encode: EncodeTexts, texts: Sequence[str]) -> Vectors:
    """Encodes any number of texts, at least one, TEXTS_A_BATCH at a time."""
    starts = range(0, len(texts), TEXTS_A_BATCH)
    return np.concatenate([encode(texts[start : start + TEXTS_A_BATCH]) for start in starts])


def text_encoder(name: str, *, tower: Path) -> EncodeTexts:
    """The encoder of this name; any but NGRAMS and TOWER is a sentence-transformers model.

    Args:
        name: See `text.aligner.encoder` in params.yaml.
        tower: The tower folder whose text side TOWER means.

    Raises:
        TextEncoderUnavailable: See `sentence_encoder`.
    """
    if name == NGRAMS:
        return ngram_encoder()
    if name != TOWER:
        return sentence_encoder(name)
    from photosearch.embedding.backbones import OpenClipTower

    return OpenClipTower(tower).embed_texts


def sentence_encoder(name: str) -> EncodeTexts:
    """A sentence-transformers model by published name or folder.

    Raises:
        TextEncoderUnavailable: The package or the model is not here; the message names the ways
            out.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise TextEncoderUnavailable(
            f"Text encoder {name!r} needs the package sentence-transformers, which is not "
            "installed. Install it with `uv sync --extra sentences`, or set "
            f"text.aligner.encoder in params.yaml to {NGRAMS!r} or {TOWER!r}."
        ) from None
    try:
        model = SentenceTransformer(name, device="cpu")
    # the hub's errors are OSError; a folder that is no model raises ValueError or KeyError
    except (OSError, ValueError, KeyError) as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        raise TextEncoderUnavailable(
            f"Text encoder {name!r} cannot be loaded: {first_line}. Set text.aligner.encoder in "
            "params.yaml to a folder that SentenceTransformer.save() wrote, connect to the hub "
            f"(PHOTOSEARCH_HUB_MIRROR names a mirror), or set it to {NGRAMS!r} or {TOWER!r}."
        ) from None

    def encode(texts: Sequence[str]) -> Vectors:
        return unit(model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False))

    return encode
