"""How many events of each kind each day brought, and that as text; knows no store."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import get_args

from photosearch.feedback.schemas import EventKind

ANSWER = "answer"
KINDS = (ANSWER, *get_args(EventKind))


@dataclass(frozen=True, slots=True)
class DayCount:
    day: date
    """UTC, by our clock."""
    kind: str
    """Of events; `answer` for what was shown."""
    n: int


def as_text(counts: Sequence[DayCount], *, days: int) -> str:
    """A table of the newest `days` that brought anything, oldest first, and the sums of all."""
    by_day: dict[date, dict[str, int]] = defaultdict(lambda: dict.fromkeys(KINDS, 0))
    total = dict.fromkeys(KINDS, 0)
    for count in counts:
        by_day[count.day][count.kind] += count.n
        total[count.kind] += count.n
    if not by_day:
        return "no events and no answers yet"
    told = [(day.isoformat(), by_day[day]) for day in sorted(by_day)[-days:]]
    lines = [_line("day", dict(zip(KINDS, KINDS, strict=True)))]
    lines += [_line(name, row) for name, row in [*told, ("all days", total)]]
    return "\n".join(lines)


def _line(name: str, row: dict[str, int] | dict[str, str]) -> str:
    return f"{name:10}" + "".join(f"{row[kind]:>12}" for kind in KINDS)
