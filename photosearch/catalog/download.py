"""Gets the images of a listing, several at a time, and asks for none that is known to be here."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from photosearch.catalog import images
from photosearch.catalog.pull_state import Known, PullState, Refused, Stored, Wanted
from photosearch.catalog.sources import Source
from photosearch.errors import BadPhoto, HugePhoto, MissingPhoto, OutsidePhoto
from photosearch.progress import track


@dataclass(frozen=True, slots=True)
class _Fetched:
    wanted: Wanted
    outcome: Stored | Refused
    mark: str


@dataclass(frozen=True, slots=True)
class _Look:
    """What a thread needs to look at an image."""

    source: Source
    images_dir: Path
    wanted: Wanted
    known: Known | None
    """None: read it whatever it is."""


def download(
    state: PullState, source: Source, *, kind: str, images_dir: Path, threads: int
) -> None:
    """Fetches, checks and stores the images of all photos of a kind.

    At most `2 * threads` images are in memory. What became of each is in `state` as soon as it is
    known, so that a pull that was cut off does not ask for it again.

    Raises:
        SourceUnreachable: The source stopped answering.
    """
    looks = _looks(state, source, kind=kind, images_dir=images_dir, threads=threads)
    doing, total = f"pulling {kind} photos", state.n_wanted(kind)
    waiting: deque[Future[_Fetched | None]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="download")
    try:
        for look in track(looks, doing, total):
            if look is not None:
                waiting.append(pool.submit(_look_at, look))
            if len(waiting) >= 2 * threads:
                _remember(state, waiting.popleft())
        while waiting:
            _remember(state, waiting.popleft())
    finally:  # an interrupt must end the threads before the state is closed
        pool.shutdown(cancel_futures=True)
        for done in waiting:
            if not done.cancelled() and done.exception() is None:
                _remember(state, done)


def _looks(
    state: PullState, source: Source, *, kind: str, images_dir: Path, threads: int
) -> Iterator[_Look | None]:
    """What to look at, one for each photo; None where nothing has to be asked."""
    under_way: deque[str] = deque(maxlen=2 * threads)
    for wanted in state.wanted(kind):
        known = state.recall(wanted.address)
        if known is not None and not _is_usable(known, images_dir):
            known = None
        is_fresh = known is not None and not source.is_near and _is_fresh(known, wanted)
        if is_fresh or wanted.address in under_way:
            yield None
        else:
            under_way.append(wanted.address)
            yield _Look(source, images_dir, wanted, known)


def _remember(state: PullState, done: Future[_Fetched | None]) -> None:
    fetched = done.result()
    if fetched is not None:
        state.remember(fetched.wanted, fetched.outcome, fetched.mark)


def _look_at(look: _Look) -> _Fetched | None:
    wanted, known = look.wanted, look.known
    mark = ""
    try:
        file = look.source.read_image(wanted.address, known_mark=known.mark if known else "")
        if file is None:
            if known is None or known.updated_at == wanted.updated_at:
                return None
            return _Fetched(wanted, known.outcome, known.mark)
        mark = file.mark
        width, height = images.checked_size(file.content, name=wanted.address)
    except BadPhoto as error:
        return _Fetched(wanted, Refused(_reason(error)), mark)
    sha256 = images.store(look.images_dir, file.content)
    return _Fetched(wanted, Stored(sha256, len(file.content), width, height), mark)


def _is_fresh(known: Known, wanted: Wanted) -> bool:
    """Whether there is no need to ask: the row is as it was, or the image was just looked at."""
    is_same = known.updated_at == wanted.updated_at
    return is_same and (wanted.updated_at is not None or known.is_of_this_pull)


def _is_usable(known: Known, images_dir: Path) -> bool:
    """Whether what was found still holds here; what was refused may be had by now.

    What is missing may have come, a host may have been allowed by name, and what could not be read
    may have been a page that a busy host sent in the image's place: without a mark nothing tells.
    """
    match known.outcome:
        case Refused("missing" | "outside_source"):
            return False
        case Refused("unreadable"):
            return known.mark != ""
        case Refused():
            return True
    try:
        status = images.path_of(images_dir, known.outcome.sha256).stat()
    except OSError:
        return False
    return status.st_size == known.outcome.n_bytes


def _reason(error: BadPhoto) -> str:
    match error:
        case HugePhoto():
            return "too_large"
        case MissingPhoto():
            return "missing"
        case OutsidePhoto():
            return "outside_source"
        case _:
            return "unreadable"
