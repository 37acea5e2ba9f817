"""Tasks get into a project once each, whatever the server does on the way."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from labeling.pushing import TASKS_AN_IMPORT, WAITS_S, push_once
from photosearch.errors import LabelingRefused, LabelingUnavailable


class Refusal(Exception):
    """What the client raises: it carries the HTTP status."""

    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.status_code = status_code


class FlakyServer:
    """Keeps tasks as a project does; imports go wrong as the test says.

    `before` fails having imported nothing, `after` having imported all, `late` imports only while
    the caller waits.
    """

    no_retry: ClassVar[dict[str, int]] = {}

    def __init__(self, *faults: str, status: int = 503) -> None:
        self.tasks: list[SimpleNamespace] = []
        self.waited_s: list[float] = []
        self._faults, self._status = list(faults), status
        self._late: list[Any] = []
        self.client = SimpleNamespace(
            projects=SimpleNamespace(import_tasks=self._import),
            tasks=SimpleNamespace(delete=self._delete),
        )

    def tasks_by_key(self, _: int, key: str, keys: Iterable[str]) -> Iterator[Any]:
        wanted = set(keys)
        return iter([task for task in self.tasks if task.data[key] in wanted])

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        try:
            yield
        except Refusal as error:
            kind = LabelingRefused if error.status_code == 400 else LabelingUnavailable
            raise kind(f"HTTP {error.status_code}.") from error

    def sleep(self, seconds: float) -> None:
        self.waited_s.append(seconds)

    def keys(self) -> list[str]:
        return [task.data["pair_key"] for task in self.tasks]

    def _import(self, _: int, *, request: list[Any], request_options: Any) -> None:  # noqa: ARG002
        fault = self._faults.pop(0) if self._faults else ""
        if fault != "before":
            self._add(self._late)
            self._late = []
        if fault == "late":
            self._late = request
        elif fault != "before":
            self._add(request)
        if fault:
            raise Refusal(self._status)

    def _add(self, tasks: list[Any]) -> None:
        for task in tasks:
            self.tasks.append(
                SimpleNamespace(id=len(self.tasks), data=task["data"], annotations=[])
            )

    def _delete(self, number: str) -> None:
        self.tasks = [task for task in self.tasks if str(task.id) != number]


def tasks(count: int) -> list[dict[str, Any]]:
    return [{"data": {"pair_key": f"p{n:05}"}} for n in range(count)]


def push(server: FlakyServer, count: int) -> None:
    push_once(server, 1, tasks(count), key="pair_key", sleep=server.sleep)  # type: ignore[arg-type]


def test_tasks_arrive_in_their_order_in_batches():
    server = FlakyServer()
    push(server, TASKS_AN_IMPORT + 3)
    assert server.keys() == [f"p{n:05}" for n in range(TASKS_AN_IMPORT + 3)]
    assert server.waited_s == []


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_failed_import_is_looked_up_and_only_the_rest_is_sent(fault: str):
    server = FlakyServer(fault)
    push(server, 5)
    assert server.keys() == [f"p{n:05}" for n in range(5)]
    assert server.waited_s == [WAITS_S[0]]


def test_twins_of_a_slow_server_are_removed():
    server = FlakyServer("late")
    push(server, 5)
    assert sorted(server.keys()) == [f"p{n:05}" for n in range(5)]


def test_a_server_that_stays_busy_stops_the_push_and_the_next_one_goes_on():
    server = FlakyServer("", *["before"] * (len(WAITS_S) + 1))
    with pytest.raises(LabelingUnavailable, match="HTTP 503"):
        push(server, TASKS_AN_IMPORT + 2)
    assert server.waited_s == list(WAITS_S)
    assert len(server.keys()) == TASKS_AN_IMPORT, "what was in stays in, nothing is half done"


def test_a_refusal_is_told_at_once():
    server = FlakyServer("before", status=400)
    with pytest.raises(LabelingRefused, match="HTTP 400"):
        push(server, 2)
    assert server.waited_s == []
