"""Gets the images of a listing, each once and several at a time, and remembers what it got."""

import hashlib
import json
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from photosearch.catalog import images
from photosearch.catalog.sources import Source
from photosearch.errors import BadPhoto, HugePhoto, MissingPhoto, OutsidePhoto


@dataclass(frozen=True, slots=True)
class Wanted:
    """An image that a row names."""

    address: str
    updated_at: str | None
    """When the row last changed, if the source says so."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An image that was fetched, decoded whole and kept."""

    sha256: str
    width: int
    """Pixels, after the EXIF turn."""
    height: int


@dataclass(frozen=True, slots=True)
class Refused:
    """An image that cannot be had."""

    reason: str
    """`missing`, `too_large`, `outside_source` or `unreadable`."""


Outcome = Stored | Refused


class Journal:
    """What was fetched so far, kept line by line, so that a killed pull goes on where it was.

    An entry counts only for the same source, address, row time and mark of the content; a source
    that changed in between is asked again.
    """

    def __init__(self, path: Path, source: Source) -> None:
        """Reads what an earlier run wrote; a last line that was cut off is dropped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._source = source
        self._outcomes = dict(_entries(path))
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="ascii")

    def close(self) -> None:
        self._file.close()

    def key(self, wanted: Wanted) -> str:
        """What an entry counts for; made before the image is read, which may change meanwhile."""
        mark = self._source.mark(wanted.address)
        facts = [self._source.name, wanted.address, wanted.updated_at, mark]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]

    def recall(self, key: str) -> Outcome | None:
        return self._outcomes.get(key)

    def add(self, key: str, outcome: Outcome) -> None:
        line = json.dumps([key, asdict(outcome)]) + "\n"
        with self._lock:
            self._outcomes[key] = outcome
            self._file.write(line)
            self._file.flush()  # to the system, which keeps it when this process is killed


def download(
    source: Source, wanted: Iterable[Wanted], *, images_dir: Path, journal: Journal, threads: int
) -> Generator[Outcome, None, None]:
    """Fetches, checks and stores images; at most `threads` of them are in memory.

    Yields:
        One outcome for each of `wanted`, in their order.

    Raises:
        SourceUnreachable: The source stopped answering; what was fetched is in the journal.
    """

    def get(each: Wanted) -> Outcome:
        return _get(source, each, images_dir=images_dir, journal=journal)

    waiting: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="download")
    try:
        for each in wanted:
            waiting.append(pool.submit(get, each))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _get(source: Source, wanted: Wanted, *, images_dir: Path, journal: Journal) -> Outcome:
    key = journal.key(wanted)
    remembered = journal.recall(key)
    if remembered is not None and _is_whole(remembered, images_dir):
        return remembered
    try:
        content = source.read_image(wanted.address)
        photo = images.open_photo(content, name=wanted.address)
    except BadPhoto as error:
        outcome: Outcome = Refused(_reason(error))
    else:
        outcome = Stored(images.store(images_dir, content), photo.width, photo.height)
    if outcome != Refused("missing"):  # what is missing may come before the next attempt
        journal.add(key, outcome)
    return outcome


def _is_whole(outcome: Outcome, images_dir: Path) -> bool:
    """Whether a remembered image still lies there as it was."""
    if isinstance(outcome, Refused):
        return True
    try:
        content = images.path_of(images_dir, outcome.sha256).read_bytes()
    except FileNotFoundError:
        return False
    return images.content_hash(content) == outcome.sha256


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


def _entries(path: Path) -> Iterator[tuple[str, Outcome]]:
    """Whole lines of a journal; cuts off what follows the last of them."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    for line in whole.splitlines():
        try:
            key, facts = json.loads(line)
            yield key, (Refused(**facts) if "reason" in facts else Stored(**facts))
        except (ValueError, TypeError):  # damaged: the image is fetched again
            continue
