"""A small BPE tokenizer of the catalogue's own titles, Russian and English."""

from collections.abc import Iterable
from pathlib import Path


def train_tokenizer(texts: Iterable[str], folder: Path, *, vocab_size: int) -> None:
    """Writes tokenizer.json and tokenizer_config.json, which open_clip reads from a tower folder.

    Titles of a language that the catalogue does not use still encode, byte by byte.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=["<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<pad>"
    )
    fast.save_pretrained(folder)
