"""What training minimises: losses computed by hand, what a batch compares, the learning rate."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from training.head_module import warm_up_then_cosine
from training.losses import info_nce, matryoshka
from training.tower_module import some_products


def test_info_nce_of_three_points_by_hand():
    points = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    loss = info_nce(points, torch.tensor([1, 1, 2]), temperature=0.5)
    first = -math.log(math.exp(1.2) / (math.exp(1.2) + math.exp(0.0)))
    second = -math.log(math.exp(1.2) / (math.exp(1.2) + math.exp(1.6)))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)


def test_a_photo_alone_of_its_product_only_serves_as_a_negative():
    pair = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    far, near = torch.tensor([[-1.0, 0.0]]), torch.tensor([[0.8, 0.6]])
    products = torch.tensor([1, 1, 2])
    alone = info_nce(pair, products[:2], temperature=0.5)
    with_far = info_nce(torch.cat([pair, far]), products, temperature=0.5)
    with_near = info_nce(torch.cat([pair, near]), products, temperature=0.5)
    assert alone.item() == pytest.approx(0, abs=1e-6)
    assert alone < with_far < with_near


def test_info_nce_averages_over_all_positives_of_an_anchor():
    points = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.9, 0.5], [0.1, 1.0]]))
    loss = info_nce(points, torch.tensor([4, 4, 4]), temperature=1.0)
    logits = points @ points.T
    by_hand = [
        -sum(logits[i, j] - torch.logsumexp(logits[i, others], 0) for j in others) / 2
        for i, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1]))
    ]
    assert loss.item() == pytest.approx(float(sum(by_hand) / 3), rel=1e-5)


def test_matryoshka_averages_the_loss_over_unit_prefixes():
    embeddings = torch.tensor([[3.0, 4.0, 0.0], [1.0, 0.0, 5.0], [0.0, 2.0, 1.0]])
    products = torch.tensor([0, 0, 1])
    loss = partial(info_nce, temperature=0.5)
    parts = [
        loss(torch.nn.functional.normalize(embeddings[:, :length], dim=1), products)
        for length in (3, 2)
    ]
    whole = matryoshka(loss, embeddings, products, [3, 2])
    assert whole.item() == pytest.approx(float(sum(parts) / 2), rel=1e-6)


def test_a_step_compares_with_all_products_of_its_batch_and_some_others():
    random = np.random.default_rng(7)
    assert some_products(torch.tensor([2, 5, 2]), 6, 100, random).tolist() == [0, 1, 2, 3, 4, 5]
    few = some_products(torch.tensor([90, 3]), 1000, 10, random).tolist()
    assert len(few) == 10
    assert few == sorted(few)
    assert {3, 90} <= set(few)
    assert some_products(torch.tensor([4, 1, 3]), 6, 2, random).tolist() == [1, 3, 4]


def test_the_learning_rate_warms_up_and_ends_at_nothing():
    factors = [warm_up_then_cosine(step, steps=100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1
    assert factors[100] == pytest.approx(0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
