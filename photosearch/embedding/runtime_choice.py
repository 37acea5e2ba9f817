"""Tries the runtimes of a graph on this machine, and chooses the fastest whose vectors agree."""

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from photosearch.embedding.graph import Golden, GraphEmbedder, Lanes, Run, agreement
from photosearch.errors import GraphDisagrees

log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16"]
MIN_COSINE: dict[Precision, float] = {"fp32": 0.999, "bf16": 0.995}
"""To PyTorch in fp32, of each golden photo."""
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run a model; nothing is loaded yet."""

    name: str
    precision: Precision
    load: Callable[[], Run]
    load_lanes: Callable[[], Lanes] | None = None
    """The same graph for batches side by side, where it can."""

    @property
    def in_words(self) -> str:
        return f"{self.name} {self.precision}"


@dataclass(frozen=True, slots=True)
class Trial:
    """How a runtime did on this machine."""

    name: str
    precision: Precision
    min_cosine: float
    ms_a_photo: dict[int, float]
    """By photos in a batch: median by the clock, from resized pixels to vector."""

    @property
    def agrees(self) -> bool:
        return self.min_cosine >= MIN_COSINE[self.precision]

    @property
    def alone_ms(self) -> float:
        """Of a photo in the smallest batch: shoppers' photos mostly come one by one."""
        return self.ms_a_photo[min(self.ms_a_photo)]


def load_fastest(runtimes: Sequence[Runtime], model: Path, golden: Golden) -> GraphEmbedder:
    """Tries every runtime, logs the reason for the choice, and returns the chosen one, warm.

    A runtime that disagrees is refused with a warning, and the others go on.

    Args:
        runtimes: Of the graph of one model.
        model: The folder of that model.
        golden: Its golden vectors.

    Raises:
        GraphDisagrees: None of them makes the model's vectors.
        BadArtifact: A runtime cannot load the graph.
    """
    runs = [runtime.load() for runtime in runtimes]
    trials = try_runtimes(runtimes, [GraphEmbedder(model, run) for run in runs], golden)
    for trial in trials:
        if not trial.agrees:
            log.warning("runtime %s", _in_words(trial))
    chosen, reason = choose(trials)
    log.info("runtime %s (auto: %s)", _in_words(trials[chosen]), reason)
    return _with_lanes(runtimes[chosen], runs[chosen], model, golden)


def try_runtimes(
    runtimes: Sequence[Runtime],
    embedders: Sequence[GraphEmbedder],
    golden: Golden,
    *,
    batches: Sequence[int] = (1,),
) -> list[Trial]:
    """Compares the vectors of runtimes with the golden ones, and times them in turns.

    Args:
        runtimes: Which.
        embedders: The same, loaded.
        golden: Photos and their vectors.
        batches: Numbers of photos in a batch, one timing each.
    """
    cosines = [agreement(golden, one.embed_pixels(golden.pixels)) for one in embedders]
    by_batch = {n: _ms_a_photo(embedders, golden, n) for n in batches}
    return [
        Trial(
            runtime.name,
            runtime.precision,
            cosines[number],
            {n: took_ms[number] for n, took_ms in by_batch.items()},
        )
        for number, runtime in enumerate(runtimes)
    ]


def choose(trials: Sequence[Trial]) -> tuple[int, str]:
    """Number of the trial that is to serve, and why.

    Raises:
        GraphDisagrees: None of them makes the model's vectors.
    """
    agreeing = [n for n, trial in enumerate(trials) if trial.agrees]
    if not agreeing:
        best = max(trials, key=lambda trial: trial.min_cosine)
        raise GraphDisagrees(best.name, best.min_cosine, MIN_COSINE[best.precision])
    chosen = min(agreeing, key=lambda n: trials[n].alone_ms)
    others = "; ".join(_in_words(trial) for n, trial in enumerate(trials) if n != chosen)
    if not others:
        return chosen, "no other was tried; it agrees with PyTorch"
    return chosen, f"fastest here of those that agree with PyTorch; others: {others}"


def as_table(trials: Sequence[Trial], *, threads: int) -> str:
    """A Markdown table, one row a trial; `threads` of 0 means all cores."""
    batches = sorted({n for trial in trials for n in trial.ms_a_photo})
    head = ["runtime", "precision", "threads", *(f"ms a photo, {n} at a time" for n in batches)]
    rows = [[*head, "least cosine to PyTorch fp32", "asked"], ["---"] * (len(head) + 2)]
    for trial in trials:
        times = [f"{trial.ms_a_photo[n]:.2f}" for n in batches]
        agreement_shown = [f"{trial.min_cosine:.5f}", f"{MIN_COSINE[trial.precision]}"]
        said = [trial.name, trial.precision, str(threads or "all cores"), *times, *agreement_shown]
        rows.append(said)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _with_lanes(runtime: Runtime, run: Run, model: Path, golden: Golden) -> GraphEmbedder:
    """The chosen graph, and its lanes where it has some and they agree as well."""
    alone = GraphEmbedder(model, run)
    lanes = runtime.load_lanes() if runtime.load_lanes else None
    if lanes is None or lanes.n == 1:
        return alone
    embedder = GraphEmbedder(model, run, lanes)
    cosine = agreement(golden, embedder.embed_pixels(golden.pixels, beside=True))
    if not cosine >= MIN_COSINE[runtime.precision]:  # NaN is refused too
        log.warning("runtime %s in %d lanes refused: cosine %.5f to PyTorch, %g is the least",
                    runtime.in_words, lanes.n, cosine, MIN_COSINE[runtime.precision])  # fmt: skip
        return alone
    log.info("runtime %s: %d batches side by side", runtime.in_words, lanes.n)
    return embedder


def _in_words(trial: Trial) -> str:
    words = f"{trial.name} {trial.precision}, {trial.alone_ms:.1f} ms a photo"
    if trial.agrees:
        return f"{words}, cosine {trial.min_cosine:.5f}"
    asked = MIN_COSINE[trial.precision]
    return f"{words}, refused: cosine {trial.min_cosine:.5f} to PyTorch, {asked} is the least"


def _ms_a_photo(embedders: Sequence[GraphEmbedder], golden: Golden, n: int) -> list[float]:
    """Median of each embedder; in turns, so that other work of the machine slows all alike."""
    took_ms: list[list[float]] = [[] for _ in embedders]
    for number in range(ROUNDS + 1):
        rows = [(number * n + k) % len(golden.pixels) for k in range(n)]
        for embedder, times in zip(embedders, took_ms, strict=True):
            started = time.perf_counter()
            embedder.embed_pixels(golden.pixels[rows])
            times.append((time.perf_counter() - started) * 1000 / n)
    return [statistics.median(times[1:]) for times in took_ms]  # the first round warms up
