"""Splits a budget of questions over the reasons to ask; knows nothing of photos."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TypeVar

Candidate = TypeVar("Candidate")
Source = TypeVar("Source", bound=str)


def quotas(shares: Mapping[str, float], budget: int) -> dict[str, int]:
    """Whole numbers that add up to `budget`, by the largest remainder; zeros if no share is set."""
    total = sum(shares.values())
    if total <= 0:
        return dict.fromkeys(shares, 0)
    exact = {name: budget * share / total for name, share in shares.items()}
    whole = {name: int(value) for name, value in exact.items()}
    rest = budget - sum(whole.values())
    for name in sorted(exact, key=lambda name: (whole[name] - exact[name], name))[:rest]:
        whole[name] += 1
    return whole


def split_budget(
    offered: Mapping[Source, Sequence[Candidate]],
    shares: Mapping[str, float],
    *,
    budget: int,
    key: Callable[[Candidate], str | None],
    taken: Collection[str],
) -> Iterator[tuple[Candidate, Source, float]]:
    """Yields candidates with the source that they came from and their worth in (0, 1].

    What a source cannot fill goes to the others, in turn. Worth falls evenly along the places of a
    source, so whoever answers in order of worth sees every reason in its share from the start.

    Args:
        offered: Best first.
        shares: By source; need not add up to one. A source of share 0 gives nothing.
        budget: Of all sources.
        key: Identity of a candidate, None if it must not be asked.
        taken: Identities that are not asked again.
    """
    used = set(taken)
    queues = {name: iter(offered[name]) for name in offered if shares[name] > 0}
    chosen: dict[Source, list[Candidate]] = {name: [] for name in offered}

    def fill(limit_of: Mapping[str, int]) -> None:
        """Takes in turns: a pair that two sources offer goes to the one that values it more."""
        while open_sources := [name for name in queues if len(chosen[name]) < limit_of[name]]:
            for name in open_sources:
                if sum(map(len, chosen.values())) >= budget:
                    return
                candidate = _next(queues[name], key, used)
                if candidate is None:
                    del queues[name]
                else:
                    chosen[name].append(candidate)

    fill(quotas(shares, budget))
    fill(dict.fromkeys(shares, budget))
    for name, candidates in chosen.items():
        for place, candidate in enumerate(candidates):
            yield candidate, name, 1 - place / len(candidates)


def _next(
    queue: Iterator[Candidate],
    key: Callable[[Candidate], str | None],
    used: set[str],
) -> Candidate | None:
    for candidate in queue:
        identity = key(candidate)
        if identity is not None and identity not in used:
            used.add(identity)
            return candidate
    return None
