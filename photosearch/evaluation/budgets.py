"""What a model takes: processor time a photo, and bytes on disk."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from threadpoolctl import threadpool_limits

from photosearch.embedding.embedder import Embedder

PHOTOS_TIMED = 20


@dataclass(frozen=True, slots=True)
class Budget:
    processor_ms: float
    """Median of one photo on one thread, from RGB picture to vector. Not by the clock on the wall,
    which refuses any model where the machine has other work to do; nor on several threads, which
    wait for each other by turning round: 584 ms on a busy machine for what takes 10 on one."""
    size_mb: float
    """All files of the model, in 10^6 bytes."""


def measure_budget(model: Path, embedder: Embedder, photos: Sequence[Image.Image]) -> Budget:
    """Embeds each photo alone, as a shopper's query comes; the first one warms up.

    Args:
        model: The folder of the model.
        embedder: The same model, running.
        photos: At least one; the first PHOTOS_TIMED are timed.
    """
    took_ms = []
    with threadpool_limits(limits=1):
        embedder.embed(photos[:1])
        for photo in photos[:PHOTOS_TIMED]:
            started = time.process_time()
            embedder.embed([photo])
            took_ms.append((time.process_time() - started) * 1000)
    size = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    return Budget(round(statistics.median(took_ms), 1), round(size / 1e6, 1))
