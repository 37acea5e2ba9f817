"""An index that a process of its own opens and searches: nobody else stands still meanwhile.

The embedded engine holds the interpreter's lock: a service that opened a million photos itself
would read no request for 5 s. The process ends with the one that started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

from photosearch.errors import IndexUnavailable
from photosearch.index.filters import CardFilter
from photosearch.index.vector_index import (
    Hit,
    PhotosOfCards,
    SearchedIndex,
    Vectors,
    check_query,
)

Opens = Callable[[], SearchedIndex]
"""Goes to the other process: a function of a module, or a `partial` of one."""
Failed = tuple[type[BaseException], str]
Reply = tuple[Failed | None, Any]
END_WITHIN_S = 30


class IndexProcess:
    """A `SearchedIndex` elsewhere, asked by one thread at a time; opened anew where it died."""

    def __init__(self, opens: Opens) -> None:
        """Starts the process and waits until the index is open; raises what `opens` raises."""
        self._opens, self._lock, self._is_closed = opens, Lock(), False
        self._start()
        try:
            self.dim: int = self._reply()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process that holds the index now."""
        return self._process.pid

    def nearest(self, vector: Vectors, *, limit: int, where: CardFilter | None = None) -> list[Hit]:
        check_query("in a process of its own", self.dim, vector)
        found: list[Hit] = self._ask("nearest", vector, limit=limit, where=where)
        return found

    def vectors_of(self, card_ids: Sequence[str]) -> PhotosOfCards:
        known: PhotosOfCards = self._ask("vectors_of", card_ids)
        return known

    def close(self) -> None:
        """Has the index closed and the process end; calling twice is no error."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self._connection.close()
            try:
                self._process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _ask(self, method: str, *args: object, **kwargs: object) -> Any:
        with self._lock:
            if self._is_closed:
                raise IndexUnavailable("The index was closed. Open it again.")
            try:
                if not self._is_open:
                    self._reply()
                self._connection.send((method, args, kwargs))
                return self._reply()
            except (EOFError, OSError) as error:
                self._connection.close()
                self._process.kill()
                self._process.wait()
                self._start()
                raise IndexUnavailable(
                    f"The process that holds the index ended ({type(error).__name__}). It is "
                    "opened again. Try again in a few seconds."
                ) from error

    def _start(self) -> None:
        self._connection, theirs = Pipe()
        self._is_open = False
        with closing(theirs):
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # Ctrl-C is ours to act upon
            )
        self._connection.send(self._opens)

    def _reply(self) -> Any:
        reply: Reply = self._connection.recv()
        self._is_open = True
        failed, answer = reply
        if failed is not None:
            kind, said = failed
            raise kind.__new__(kind, said)  # not by its own __init__, which takes other values
        return answer


def serve(connection: Connection) -> None:
    """Opens the index that it is told to, and answers until nobody can ask any more."""
    try:
        index: SearchedIndex = connection.recv()()
    except Exception as error:
        connection.send(_failed(error))
        return
    with closing(index):
        connection.send((None, index.dim))
        while True:
            try:
                method, args, kwargs = connection.recv()
            except EOFError:
                return
            try:
                reply: Reply = (None, getattr(index, method)(*args, **kwargs))
            except Exception as error:  # whatever it is, it is the caller's
                reply = _failed(error)
            connection.send(reply)


def _failed(error: Exception) -> Reply:
    return (type(error), str(error)), None


if __name__ == "__main__":
    # BentoML's supervisor sends it to all below a service: the copy is removed when the pipe ends.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
