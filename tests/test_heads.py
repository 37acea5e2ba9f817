"""Heads over patch tokens: what an untrained one is, pooling and whitening."""

import numpy as np
import pytest
import torch

from photosearch.embedding.backbones import (
    pooled_patches,
)
from photosearch.embedding.head import AttentionHead, MeanPooling, build_head
from photosearch.embedding.model import HeadShape, mean_pooling_of
from photosearch.embedding.whitening import whitening
from photosearch.errors import BadParams

ATTENTION = HeadShape("attention", 512, 64, [64, 32], width=16, tokens=2, heads=2)


def test_pooled_patches_are_the_means_of_squares_and_of_what_is_left_at_the_edges():
    grid = torch.arange(9.0).reshape(1, 9, 1)
    assert pooled_patches(grid, 2).flatten().tolist() == [2.0, 3.5, 6.5, 8.0]
    assert torch.equal(pooled_patches(grid, 1), grid)
    with pytest.raises(
        BadParams, match=r"tokens\.pool 2 needs a square grid.*8\. Set tokens\.pool"
    ):
        pooled_patches(grid[:, :8], 2)


def test_an_untrained_attention_head_is_mean_pooling():
    tokens = torch.randn(5, 4, 512)
    attention, mean = build_head(ATTENTION, dropout=0.3).eval(), MeanPooling(ATTENTION)
    assert torch.allclose(attention(tokens), mean(tokens), atol=1e-5)
    assert attention(tokens).shape == (5, 64)


def test_a_head_that_starts_at_a_linear_map_is_that_map_of_the_mean_token():
    tokens, centre, directions = torch.randn(5, 4, 512), torch.randn(512), torch.randn(512, 512)
    head = AttentionHead(ATTENTION).eval()
    head.start_at(centre, directions)
    expected = ((tokens.mean(dim=1) - centre) @ directions)[:, :64]
    assert torch.allclose(head(tokens), expected, atol=1e-3)
    head.start_at(centre, directions[:, :16])
    assert torch.allclose(head(tokens)[:, :16], expected[:, :16], atol=1e-3)
    assert not head(tokens)[:, 16:].any()


def test_the_anchored_query_is_the_mean_query_of_the_data():
    torch.manual_seed(0)
    head = AttentionHead(ATTENTION, 0.5)
    batches = [torch.randn(3, 4, 512), torch.randn(2, 4, 512)]
    torch.manual_seed(1)
    head.anchor(batches)
    torch.manual_seed(1)
    ask = torch.nn.Linear(ATTENTION.width, ATTENTION.width)
    head.eval()
    queries = torch.cat([ask(head.reducer(tokens)) for tokens in batches])
    assert torch.allclose(head.query[0, 0], queries.mean(dim=(0, 1)), atol=1e-5)
    assert not head.query.requires_grad


def test_pooling_that_looks_at_all_tokens_alike_has_the_entropy_of_their_number():
    head = AttentionHead(ATTENTION).eval()
    torch.nn.init.zeros_(head.query)
    assert head.pooling_entropy(torch.randn(5, 4, 512)) == pytest.approx(
        np.log(ATTENTION.tokens), abs=1e-5
    )


def test_whitening_puts_what_tells_products_apart_before_what_varies_within_them():
    random = np.random.default_rng(0)
    products = np.repeat(np.arange(8), 50)
    light = random.normal(0, 3, (400, 1))  # varies most, says nothing
    colour = random.normal(0, 1, 8)[products, None] + random.normal(0, 0.1, (400, 1))
    vectors = np.hstack([light, colour, random.normal(0, 0.1, (400, 1))])
    white = whitening(vectors, products.tolist(), shrinkage=0.1)
    telling = ((vectors - white.centre) @ white.directions)[:, 0]
    assert abs(np.corrcoef(telling, colour[:, 0])[0, 1]) > 0.99
    within = telling - np.bincount(products, telling)[products] / 50
    assert within.std() < 0.2 * telling.std()
    assert white.ratios[0] > 1 > white.ratios[1]


def test_whitening_of_products_with_one_look_only_centres():
    white = whitening(np.eye(3), ["a", "b", "c"], shrinkage=0.1)
    assert white.centre.tolist() == pytest.approx([1 / 3] * 3)
    assert np.array_equal(white.directions, np.eye(3))


def test_mean_pooling_of_a_narrow_tower_leaves_out_lengths_it_cannot_make():
    mean = mean_pooling_of(HeadShape("attention", 48, 128, [128, 64, 32, 16], 16, 2, 2))
    assert (mean.kind, mean.lengths) == ("mean", [32, 16])
    assert build_head(mean)(torch.ones(1, 3, 48)).shape == (1, 48)
