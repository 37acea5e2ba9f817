"""When a photo is read beside the searches: it takes several times what a search by it takes."""

from bentos.turns import Turns

QUIET_S, READ_WITHIN_S = 0.5, 2.0
"""A photo is read once nobody has searched for so long; beside searches after the latter, and after
standing still for the latter."""
CROWD, LATER_S = 4, 8.0
"""Beside more searches than these, which it would slow down by a tenth, only after so long more."""


async def time_to_read(turns: Turns, *, is_waited_for: bool, later_s: float = LATER_S) -> None:
    """Returns when a photo may be read.

    Args:
        turns: Of all searches.
        is_waited_for: A search waits for its words.
        later_s: See LATER_S.
    """
    if is_waited_for:
        await turns.quiet(besides=1, for_s=0, at_most_s=READ_WITHIN_S)
        return
    await turns.quiet(besides=0, for_s=QUIET_S, at_most_s=READ_WITHIN_S)
    await turns.quiet(besides=CROWD, for_s=0, at_most_s=later_s)
