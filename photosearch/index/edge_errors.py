"""The embedded engine's errors, which are of no type of their own, as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from photosearch.errors import IndexUnavailable, PhotosearchError

REBUILD = "Delete the folder and rebuild it with `photosearch index`."


@contextmanager
def engine(
    folder: Path, doing: str, *, kind: str = "Index", remedy: str = REBUILD
) -> Iterator[None]:
    """Turns the engine's errors, which are of no type of their own, into ours.

    Args:
        folder: Of the index.
        doing: What fails, for the message.
        kind: Of index, for the message.
        remedy: What its reader can do.
    """
    try:
        yield
    except (PhotosearchError, KeyboardInterrupt, SystemExit):
        raise
    except OSError as error:
        raise IndexUnavailable(
            f"{kind} {folder}: {doing} failed: {error}. Make room there, or name another folder."
        ) from None
    except BaseException as error:  # a panic in Rust is not an Exception
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise IndexUnavailable(
            f"{kind} {folder}: {doing} failed: {first_line}. {remedy}"
        ) from error
