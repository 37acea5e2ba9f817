"""Where settings become the text encoder; the other objects are made in assembly.py."""

import os

from photosearch.embedding.ngrams import EncodeTexts
from photosearch.embedding.text import text_encoder
from photosearch.settings import Settings


def open_text_encoder(settings: Settings) -> EncodeTexts:
    """The encoder that text.aligner.encoder names, or the text side of the candidate's tower.

    Raises:
        TextEncoderUnavailable: The package or the model is not here.
    """
    mirror = settings.services.hub_mirror
    if mirror:
        os.environ["HF_ENDPOINT"] = mirror  # huggingface_hub reads it when it is imported
    encoder = settings.params.text.aligner.encoder
    return text_encoder(encoder, tower=settings.home.candidate / "tower")
