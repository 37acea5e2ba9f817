"""Texts into the space of photos: an encoder of any kind, and the aligner behind it.

The image space never moves: an index of photos stays valid whatever the text encoder is.

aligner.json          what it was made for; written last
aligner.safetensors   one layer (closed form) or two (see training/aligner.py)
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.errors import BadArtifact, TextEncoderUnavailable
from photosearch.report import save_report

EncodeTexts = Callable[[Sequence[str]], Vectors]
"""Unit vectors of texts in the encoder's own space, (n_texts, text_dim)."""
MANIFEST, WEIGHTS = "aligner.json", "aligner.safetensors"
TOWER = "tower"
"""The encoder that is the text side of the model's own tower."""
NGRAMS = "ngrams"
"""The encoder that counts pieces of words; it needs no weights and knows every alphabet."""
NGRAM_DIM = 2048
NGRAM_LENGTHS = (3, 5)
"""Letters of a piece, word ends among them: docs/experiments/text.md."""
TEXTS_A_BATCH = 256


@dataclass(frozen=True, slots=True)
class AlignerManifest:
    encoder: str
    """`ngrams`, `tower`, or the name or folder of a sentence-transformers model."""
    model_id: str
    """The model whose image space texts are brought into."""
    text_dim: int
    image_dim: int


@dataclass(frozen=True, slots=True)
class Aligner:
    """Maps vectors of a text encoder into the image space of one model."""

    manifest: AlignerManifest
    layers: list[Layer]

    def align(self, texts: Vectors) -> Vectors:
        """Unit vectors in the image space, (n_texts, text_dim) -> (n_texts, image_dim).

        Raises:
            BadArtifact: The vectors are of another encoder.
        """
        wanted = self.manifest
        if texts.shape[-1] != wanted.text_dim:
            raise BadArtifact(
                f"The aligner was made for {wanted.text_dim} numbers of {wanted.encoder!r}, the "
                f"text encoder gave {texts.shape[-1]}. Run `photosearch text` to make it again."
            )
        return unit(run_layers(self.layers, texts))


def save_aligner(folder: Path, aligner: Aligner) -> None:
    """Writes the aligner into a folder, which is made; the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    save_layers(folder / WEIGHTS, aligner.layers)
    save_report(folder / MANIFEST, aligner.manifest)


def read_aligner(folder: Path, *, model_id: str) -> Aligner:
    """Reads the aligner of a model.

    Raises:
        BadArtifact: The folder is incomplete, or was made for another model.
    """
    try:
        manifest = AlignerManifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole aligner ({error}). Run `photosearch text` to make it."
        ) from None
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The aligner in {folder} brings texts into the space of model {manifest.model_id}, "
            f"not of {model_id}. Run `photosearch text` to make it again."
        )
    return Aligner(manifest, read_layers(folder / WEIGHTS))


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


def ngram_encoder() -> EncodeTexts:
    """Counts of a text's pieces of words, hashed to NGRAM_DIM numbers; case does not count.

    A text without letters or digits is a zero vector.

    Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning".
    """
    from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-untyped]

    pieces = HashingVectorizer(
        n_features=NGRAM_DIM, analyzer="char_wb", ngram_range=NGRAM_LENGTHS, dtype=np.float32
    )

    def encode(texts: Sequence[str]) -> Vectors:
        return unit(pieces.transform(texts).toarray())

    return encode


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
