"""The attention head, patch tokens in, one vector out; and mean pooling, which it must beat."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from photosearch.embedding.model import HeadShape


class MeanPooling(nn.Module):
    """Averages the tokens and keeps the first `out` numbers: the baseline, nothing to train."""

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.out = min(shape.out, shape.tower_width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, out), not normalised."""
        return tokens.mean(dim=1)[:, : self.out]


class TokenReducer(nn.Module):
    """Self-attention that lowers both the number of tokens and their width.

    Each of the new tokens asks with the average of a stretch of the old ones and looks at all of
    them.

    Source: Li et al. 2022, "MViTv2", section 3 (pooled queries); the "Self-Attention Token Reducer"
    of Wildberries' search by photo.
    """

    def __init__(self, shape: HeadShape, dropout: float) -> None:
        super().__init__()
        self.tokens, self.heads, self.dropout = shape.tokens, shape.heads, dropout
        self.norm_in = nn.LayerNorm(shape.tower_width)
        self.narrow = nn.Linear(shape.tower_width, shape.width)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.project = nn.Linear(shape.width, shape.width)
        self.norm_out = nn.LayerNorm(shape.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, tokens, width)."""
        narrow, query, key, value = self._asked(tokens)
        attended = attend(
            self._pooled(query), key, value, heads=self.heads, dropout=self._dropout()
        )
        reduced: Tensor = self.norm_out(self._pooled(narrow) + self.project(attended))
        return reduced

    def places(self, tokens: Tensor) -> Tensor:
        """Share of each old token in each new one, (B, T, D) -> (B, tokens, T); rows sum to 1.

        Half of it is where the new token looks, half the stretch that it is the mean of.

        Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 3: a
        residual connection counts as much as the attention beside it.
        """
        _, query, key, _ = self._asked(tokens)
        looks = shares_of(self._pooled(query), key, heads=self.heads).mean(dim=1)
        stretches = self._pooled(torch.eye(tokens.shape[1], device=tokens.device)[None])
        return (looks + stretches) / 2

    def _asked(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Narrow tokens, and what they ask, answer to and give, (B, T, width) each."""
        narrow = self.narrow(self.norm_in(tokens))
        query, key, value = self.query_key_value(narrow).chunk(3, dim=-1)
        return narrow, query, key, value

    def _pooled(self, tokens: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(tokens.transpose(1, 2), self.tokens).transpose(1, 2)

    def _dropout(self) -> float:
        return self.dropout if self.training else 0.0


class AttentionHead(nn.Module):
    """Token reducer, attention pooling by one query, and a skip from the mean token.

    The last layer of the attention path starts at zero and the skip at the identity, so an
    untrained head IS mean pooling; `start_at` puts the best linear map in the identity's place.
    """

    def __init__(self, shape: HeadShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = shape.heads
        self.reducer = TokenReducer(shape, dropout)
        self.query = nn.Parameter(torch.randn(1, 1, shape.width) * shape.width**-0.5)
        self.key_value = nn.Linear(shape.width, 2 * shape.width)
        self.norm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(shape.width, shape.out, bias=False)
        self.skip = nn.Linear(shape.tower_width, shape.out)
        nn.init.zeros_(self.out.weight)
        nn.init.eye_(self.skip.weight)
        nn.init.zeros_(self.skip.bias)

    @torch.no_grad()
    def start_at(self, centre: Tensor, directions: Tensor) -> None:
        """Makes the untrained head `(mean token - centre) @ directions`, cut or filled with zeros.

        Args:
            centre: (D,).
            directions: (D, n), the most telling first.
        """
        n = min(directions.shape[1], self.skip.out_features)
        self.skip.weight.zero_()
        self.skip.weight[:n] = directions.T[:n]
        self.skip.bias.copy_(-(self.skip.weight @ centre))

    @torch.no_grad()
    def anchor(self, batches: Iterable[Tensor]) -> None:
        """Makes the pooling query an UnLearnable token: the mean query of the data, never trained.

        Every token asks through one projection; the mean of all their queries becomes the query of
        the whole photo and stays, so that what training moves is only what it finds.

        Args:
            batches: Tokens of the data set, (B, T, D) each.

        Source: the "UnLearnable token" of Wildberries' search by photo.
        """
        width = self.query.shape[-1]
        total, n = torch.zeros(width), 0
        self.eval()  # no dropout
        for tokens in batches:
            reduced = self.reducer(tokens)
            total, n = total + reduced.sum(dim=(0, 1)), n + reduced.shape[0] * reduced.shape[1]
        self.train()
        ask = nn.Linear(width, width)  # linear: the mean of the queries is the query of the mean
        self.query.copy_(ask(total / n))
        self.query.requires_grad_(False)

    @torch.no_grad()
    def pooling_entropy(self, tokens: Tensor) -> float:
        """How widely pooling looks, in nats: 0 is one token, log(tokens) all of them alike.

        Args:
            tokens: (B, T, D); the mean over photos and heads is given.
        """
        shares = self._pooling(self.reducer(tokens))
        return float(-(shares * shares.clamp_min(1e-12).log()).sum(dim=-1).mean())

    def sight(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the vector is made of, for late interaction and for maps.

        Args:
            tokens: (B, T, D).

        Returns:
            Reduced tokens, (B, tokens, width), not normalised; the share of each of the T in each
            of them, (B, tokens, T); the share of each of them in the pooling, (B, tokens).
        """
        reduced = self.reducer(tokens)
        return reduced, self.reducer.places(tokens), self._pooling(reduced).mean(dim=1)

    def _pooling(self, reduced: Tensor) -> Tensor:
        """How the pooling shares its attention out, (B, heads, tokens)."""
        key, _ = self.key_value(reduced).chunk(2, dim=-1)
        return shares_of(self.query, key, heads=self.heads)[:, :, 0]

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, D) -> (B, out), not normalised."""
        reduced = self.reducer(tokens)
        key, value = self.key_value(reduced).chunk(2, dim=-1)
        query = self.query.expand(tokens.shape[0], -1, -1)
        pooled = attend(query, key, value, heads=self.heads)[:, 0]
        mean = tokens.mean(dim=1)
        joined: Tensor = self.out(self.dropout(self.norm(pooled))) + self.skip(mean)
        return joined


def build_head(shape: HeadShape, *, dropout: float = 0.0) -> nn.Module:
    """Makes the head of this shape, untrained."""
    match shape.kind:
        case "mean":
            return MeanPooling(shape)
        case "attention":
            return AttentionHead(shape, dropout)


def shares_of(query: Tensor, key: Tensor, *, heads: int) -> Tensor:
    """The attention that `attend` gives values: (B or 1, Q, W), (B, T, W) -> (B, heads, Q, T)."""
    query, key = (part.reshape(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, key))
    shares: Tensor = (query @ key.transpose(2, 3) * key.shape[-1] ** -0.5).softmax(dim=-1)
    return shares


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, heads: int, dropout: float = 0.0
) -> Tensor:
    """Multi-head attention: (B, Q, W), (B, T, W), (B, T, W) -> (B, Q, W)."""
    query, key, value = (
        part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, key, value)
    )
    joined = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return joined.transpose(1, 2).flatten(2)
