"""The embedded engine's errors, which are of no type of their own, as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photosearch.errors import IndexProblem, IndexUnavailable

REBUILD = "Delete the folder and rebuild it with `photosearch index`."


@contextmanager
def engine(folder: Path, doing: str) -> Iterator[None]:
    """Turns the engine's errors, which are of no type of their own, into ours."""
    try:
        yield
    except (IndexProblem, KeyboardInterrupt, SystemExit):
        raise
    except OSError as error:
        raise IndexUnavailable(
            f"Index {folder}: {doing} failed: {error}. Make room there, or name another folder."
        ) from None
    except BaseException as error:  # a panic in Rust is not an Exception
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise IndexUnavailable(
            f"Index {folder}: {doing} failed: {first_line}. {REBUILD}"
        ) from error
