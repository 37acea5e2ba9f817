"""Which failures of a task are worth another try: those that may pass by themselves."""

from collections.abc import Callable
from typing import Any

from prefect import State

Condition = Callable[[object, object, State[Any]], bool]


def only_for(passing: type[Exception], *, but: tuple[type[Exception], ...] = ()) -> Condition:
    """Has Prefect try again after these alone; what is wrong with settings or data stays wrong.

    Args:
        passing: May pass.
        but: Those of them that stay.
    """

    def may_pass(_task: object, _run: object, state: State[Any]) -> bool:
        failure = state.result(raise_on_failure=False)
        return isinstance(failure, passing) and not isinstance(failure, but)

    return may_pass
