"""Tables of `benchmarks/online.py`: stages, ratios, throughput, and whether the bars are met."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from online_load import Answer, Throughput, joined

P50_MS, P99_MS, REST_MS, GAIN = 120.0, 300.0, 15.0, 1.5
"""The bars: photo to answer, everything but models and decoding, throughput of many to one."""


@dataclass
class Asked:
    """Answers one at a time, in turns."""

    ours: list[Answer] = field(default_factory=list)
    plain: list[Answer] = field(default_factory=list)
    worked_ms: dict[str, float] = field(default_factory=dict)
    """Processor time of a search by process."""
    models_ms: list[dict[str, float]] = field(default_factory=list)
    """How long the models ran for one of ours, by stage: the mean of each turn. Turns are equally
    long."""


@dataclass(frozen=True, slots=True)
class Together:
    """By clients who ask all the time, turn by turn; of plain none where it was not asked."""

    clients: int
    alone: Sequence[Throughput]
    many: Sequence[Throughput]
    plain: Sequence[Throughput]
    worked_ms: dict[str, float]
    photos_a_batch: float
    """Of the encoder, by many clients."""


def tell(asked: Asked, many: Together, alone: dict[str, float]) -> str:
    """All of one kind of photo, as Markdown."""
    parts = [_stages(asked), _worked(asked, many), _throughput(many), _bars(asked, many, alone)]
    return "\n\n".join(parts)


def _stages(asked: Asked) -> str:
    """Each stage of ours and of the plain pipeline, in ms; `wire` is what no stage explains."""
    rows = ["| stage | ours p50 | ours p99 | plain p50 | plain / ours |", "|---|---|---|---|---|"]
    ours, plain = _by_stage(asked.ours), _by_stage(asked.plain)
    for stage in asked.models_ms[0] if asked.models_ms else ():
        ours[f"{stage}: its model"] = [one[stage] for one in asked.models_ms]
    for stage in [*ours, *(name for name in plain if name not in ours)]:
        mine, theirs = ours.get(stage), plain.get(stage)
        cells = [
            stage,
            *(_at(mine, 50), _at(mine, 99), _at(theirs, 50)),
            f"{np.median(theirs) / np.median(mine):.2f}" if mine and theirs else "",
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _by_stage(answers: Sequence[Answer]) -> dict[str, list[float]]:
    if not answers:
        return {}
    stages = [name for name in answers[0].took_ms if name != "total"]
    by_stage = {name: [answer.took_ms[name] for answer in answers] for name in stages}
    explained = [sum(answer.took_ms[name] for name in stages) for answer in answers]
    walls = [answer.wall_ms for answer in answers]
    wire = [wall - ms for wall, ms in zip(walls, explained, strict=True)]
    return by_stage | {"wire": wire, "photo to answer": walls}


def _at(values: Sequence[float] | None, percentile: int) -> str:
    return f"{np.percentile(values, percentile):.1f}" if values else ""


def _but_decoding(answers: Sequence[Answer]) -> list[float]:
    return [answer.wall_ms - answer.took_ms["decode"] for answer in answers]


def _rest(asked: Asked) -> float:
    """What is neither decoding nor a model: the median turn's, which is a mean of its answers.

    How long a model ran is known by turns alone. One answer's clock less a mean would be too short
    or too long by as much as models differ, and their times lean to one side.
    """
    turns = np.reshape(_but_decoding(asked.ours), (len(asked.models_ms), -1)).mean(axis=1)
    ran_ms = [sum(turn.values()) for turn in asked.models_ms]
    return float(np.median(turns - ran_ms))


def _worked(asked: Asked, many: Together) -> str:
    return "\n".join([
        "| processor ms a search | " + " | ".join(asked.worked_ms) + " |",
        "|---" * (len(asked.worked_ms) + 1) + "|",
        "| one at a time | " + " | ".join(f"{ms:.1f}" for ms in asked.worked_ms.values()) + " |",
        f"| {many.clients} clients | "
        + " | ".join(f"{many.worked_ms.get(name, 0):.1f}" for name in asked.worked_ms)
        + " |",
    ])  # fmt: skip


def _throughput(many: Together) -> str:
    rows = [
        "| | searches a second | p50 ms | p99 ms | turned away or too late |",
        "|---|---|---|---|---|",
    ]
    sides = {
        "ours, 1 client": many.alone,
        f"ours, {many.clients} clients": many.many,
        f"plain, {many.clients} clients": many.plain,
    }
    for name, turns in sides.items():
        if not turns:
            continue
        one = joined(turns)
        walls = [answer.wall_ms for answer in one.answers if answer.status == 200]
        away = sum(answer.status != 200 for answer in one.answers)
        rows.append(
            f"| {name} | {one.a_second:.2f} | {_at(walls, 50)} | {_at(walls, 99)} | {away} |"
        )
    batch = f"By {many.clients} clients the encoder had {many.photos_a_batch:.1f} photos a batch."
    gains = [most.a_second / one.a_second for one, most in zip(many.alone, many.many, strict=True)]
    by_turn = f"To one client's, turn by turn: {', '.join(f'{gain:.2f}' for gain in gains)}."
    return "\n".join([*rows, "", f"{batch} {by_turn}"])


def _bars(asked: Asked, many: Together, alone: dict[str, float]) -> str:
    above_alone = float(np.median(_but_decoding(asked.ours))) - sum(alone.values())
    walls = [answer.wall_ms for answer in asked.ours]
    gain = joined(many.many).a_second / joined(many.alone).a_second
    measured = [
        ("photo to answer, p50 ms", float(np.percentile(walls, 50)), P50_MS, False),
        ("photo to answer, p99 ms", float(np.percentile(walls, 99)), P99_MS, False),
        ("but models and decoding, p50 ms", _rest(asked), REST_MS, False),
        ("the same, models as fast as alone", above_alone, REST_MS, False),
        (f"throughput, {many.clients} clients to one", gain, GAIN, True),
    ]
    rows = ["| bar | measured | asked | |", "|---|---|---|---|"]
    for name, value, bar, is_least in measured:
        is_met = value >= bar if is_least else value <= bar
        sign = "at least" if is_least else "at most"
        rows.append(f"| {name} | {value:.2f} | {sign} {bar} | {'met' if is_met else 'NOT MET'} |")
    return "\n".join(rows)
