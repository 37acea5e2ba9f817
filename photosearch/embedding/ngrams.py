"""The text encoder that counts pieces of words: no weights, no torch, every alphabet."""

from collections.abc import Callable, Sequence

import numpy as np

from photosearch.embedding.embedder import Vectors, unit

EncodeTexts = Callable[[Sequence[str]], Vectors]
"""Unit vectors of texts in the encoder's own space, (n_texts, text_dim)."""
NGRAMS = "ngrams"
"""Its name in params.yaml."""
NGRAM_DIM = 2048
NGRAM_LENGTHS = (3, 5)
"""Letters of a piece, word ends among them: docs/experiments/text.md."""


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
