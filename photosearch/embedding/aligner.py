"""The aligner: vectors of texts into the space of photos; it needs no torch.

The image space never moves: an index of photos stays valid whatever the text encoder is.

aligner.json          what it was made for; written last
aligner.safetensors   one layer (closed form) or two (see training/aligner.py)
"""

import json
from dataclasses import dataclass
from pathlib import Path

from photosearch.embedding.embedder import Vectors, unit
from photosearch.embedding.layers import Layer, read_layers, run_layers, save_layers
from photosearch.errors import BadArtifact
from photosearch.report import save_report

MANIFEST, WEIGHTS = "aligner.json", "aligner.safetensors"


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
    manifest = read_manifest(folder)
    if manifest.model_id != model_id:
        raise BadArtifact(
            f"The aligner in {folder} brings texts into the space of model {manifest.model_id}, "
            f"not of {model_id}. Run `photosearch text` to make it again."
        )
    return Aligner(manifest, read_layers(folder / WEIGHTS))


def read_manifest(folder: Path) -> AlignerManifest:
    """What the aligner in a folder was made for; raises BadArtifact if there is no whole one."""
    try:
        return AlignerManifest(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise BadArtifact(
            f"{folder} holds no whole aligner ({error}). Run `photosearch text` to make it."
        ) from None
