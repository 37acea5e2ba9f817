"""Memory of two processes in which the arrays of a call lie, so that no socket copies them."""

import os
import pickle
from collections.abc import Sequence
from itertools import accumulate, pairwise
from mmap import mmap
from tempfile import TemporaryFile

Call = tuple[str, tuple[object, ...]]
"""Name and arguments."""
SHARED_BYTES = 16_000_000
"""Of which no more is used than the largest call took; what is larger goes in the message."""


class Shared:
    """Memory of two processes. A call lies in it until it is answered; then the next may."""

    def __init__(self, file: int) -> None:
        """`file`: of `memory_file`, and closed here: the memory stays as long as this."""
        try:
            self._bytes = memoryview(mmap(file, SHARED_BYTES))
        finally:
            os.close(file)

    def packed(self, call: Call) -> bytes:
        """The message of a call, whose arrays are here; in the message, where they are too large.

        Source: PEP 574, "Pickle protocol 5 with out-of-band data".
        """
        apart: list[pickle.PickleBuffer] = []
        said = pickle.dumps(call, protocol=5, buffer_callback=apart.append)
        arrays = [buffer.raw() for buffer in apart]
        lengths = [array.nbytes for array in arrays]
        if sum(lengths) > SHARED_BYTES:
            said, lengths, arrays = pickle.dumps(call), [], []
        for (start, end), array in zip(pairwise(_ends(lengths)), arrays, strict=True):
            self._bytes[start:end] = array
        return pickle.dumps((said, lengths))

    def unpacked(self, message: bytes) -> Call:
        """A call; its arrays are not its own, and change with the next."""
        said, lengths = pickle.loads(message)
        arrays = [self._bytes[start:end] for start, end in pairwise(_ends(lengths))]
        call: Call = pickle.loads(said, buffers=arrays)
        return call


def memory_file() -> int:
    """A file of SHARED_BYTES that lies in memory alone, where the system has such."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("photosearch-line")
    else:
        with TemporaryFile() as on_disk:
            file = os.dup(on_disk.fileno())
    os.truncate(file, SHARED_BYTES)
    return file


def _ends(lengths: Sequence[int]) -> list[int]:
    """Where arrays end that lie one behind the other, after where the first begins."""
    return list(accumulate(lengths, initial=0))
