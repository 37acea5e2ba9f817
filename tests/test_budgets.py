"""What a model takes, measured so that other work on the machine does not refuse it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from small_model import drawn_model, drawn_photos

from photosearch.embedding.embedder import Vectors
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.evaluation.budgets import measure_budget


class Counted:
    """An embedder that notes how many threads its matrices may take."""

    model_id, lengths = "m1", (2,)

    def __init__(self) -> None:
        self.threads: list[int] = []

    def embed(self, photos: Sequence[Image.Image]) -> Vectors:
        self.threads.append(torch.get_num_threads())
        return np.ones((len(photos), 2), np.float32)


def test_a_model_is_timed_on_one_thread_and_has_its_threads_back_afterwards(tmp_path: Path):
    before, counted = torch.get_num_threads(), Counted()
    measure_budget(tmp_path, counted, drawn_photos())
    assert set(counted.threads) == {1}
    assert torch.get_num_threads() == before


def test_a_budget_tells_time_and_size_of_a_real_model(tmp_path: Path):
    model = drawn_model(tmp_path)
    budget = measure_budget(model, TorchEmbedder(model), drawn_photos())
    bytes_of_all = sum(path.stat().st_size for path in model.rglob("*") if path.is_file())
    assert budget.size_mb == round(bytes_of_all / 1e6, 1)
    assert budget.processor_ms > 0
