"""A line between processes of one machine: a call takes a third of what it takes by HTTP.

What goes over it is pickled: both ends are ours, and the folder of the socket is closed to others.
Pixels lie in memory that both ends of a connection share, not in the message.
"""

import logging
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, Listener
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Condition, Thread
from typing import Any

from bentos.shared import Shared, memory_file

Reply = tuple[str | None, Any]
"""What was raised over there, or None and the answer."""
BACKLOG = 64
AFTER_FAILING_S = 0.05
"""A caller that cannot come in is followed by another no sooner."""
END_WITHIN_S = 10.0
"""Calls under way are waited for so long."""

log = logging.getLogger(__name__)


class CallFailed(Exception):
    """What was called raised an error over there."""


class Line:
    """Answers calls from other processes, each caller in a thread of its own."""

    def __init__(self, calls: Mapping[str, Callable[..., Any]]) -> None:
        """Answers from now on.

        Args:
            calls: What can be called, by name; arguments and answers can be pickled.
        """
        self._calls = calls
        self._folder = TemporaryDirectory(prefix="photosearch-line-")
        self.address = str(Path(self._folder.name) / "line")
        self._listener = Listener(self.address, "AF_UNIX", backlog=BACKLOG)
        self._is_closed, self._n_under_way, self._ended = False, 0, Condition()
        Thread(target=self._accept, name="line", daemon=True).start()

    def close(self) -> None:
        """Nobody new is answered; calls under way are waited for."""
        self._is_closed = True
        self._listener.close()
        with self._ended:
            self._ended.wait_for(lambda: self._n_under_way == 0, END_WITHIN_S)
        self._folder.cleanup()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                caller = self._listener.accept()
                Thread(target=self._answer, args=(caller,), name="line", daemon=True).start()
            except Exception as error:  # no more files, no more threads: later there may be
                if not self._is_closed:
                    log.warning("a caller could not come in: %s: %s", type(error).__name__, error)
                    time.sleep(AFTER_FAILING_S)

    def _answer(self, caller: Connection) -> None:
        with caller, suppress(EOFError, ConnectionError):
            shared = Shared(recv_handle(caller))
            while True:
                name, args = shared.unpacked(caller.recv_bytes())
                self._count(1)
                try:
                    caller.send(self._reply(name, args))
                finally:
                    self._count(-1)

    def _reply(self, name: str, args: tuple[object, ...]) -> Reply:
        try:
            return None, self._calls[name](*args)
        except Exception as error:  # whatever it is, it is the caller's
            return f"{type(error).__name__}: {error}", None

    def _count(self, change: int) -> None:
        with self._ended:
            self._n_under_way += change
            self._ended.notify_all()


@dataclass(frozen=True, slots=True)
class Connected:
    """One end of a connection that carries a call at a time."""

    connection: Connection
    shared: Shared


class Caller:
    """Calls over a line. Threads share it: a connection carries one call at a time."""

    def __init__(self, address: Callable[[], str], *, timeout_s: float) -> None:
        """Connects to nothing yet.

        Args:
            address: Asked for each new connection: a process that was started anew has another.
            timeout_s: For connecting, for what is sent to be taken, and for the answer.
        """
        self._address, self._timeout_s = address, timeout_s
        self._idle: deque[Connected] = deque()

    def call(self, name: str, *args: object) -> Any:
        """What the function of that name returns over there.

        Raises:
            CallFailed: It raised.
            EOFError, OSError: Nobody answers, or not in time (TimeoutError).
        """
        return self.begin(name, *args)()

    def begin(self, name: str, *args: object) -> Callable[[], Any]:
        """Has the function called, and gives what waits for its answer, to be called once.

        Both raise what `call` does.
        """
        line = self._unused() or self._connected()
        with self._in_time(name, line):
            line.connection.send_bytes(line.shared.packed((name, args)))
        return partial(self._answer_of, name, line)

    def _answer_of(self, name: str, line: Connected) -> Any:
        with self._in_time(name, line):
            failed, answer = line.connection.recv()
        self._idle.append(line)
        if failed is not None:
            raise CallFailed(failed)
        return answer

    @contextmanager
    def _in_time(self, name: str, line: Connected) -> Iterator[None]:
        """A connection over which something failed carries no other call."""
        try:
            yield
        except BlockingIOError:
            line.connection.close()
            raise TimeoutError(f"{name} took more than {self._timeout_s:g} s") from None
        except BaseException:
            line.connection.close()
            raise

    def close(self) -> None:
        """Ends the connections that carry no call."""
        while line := self._unused():
            line.connection.close()

    def _unused(self) -> Connected | None:
        """A connection that is open at both ends and carries no call, if there is one."""
        with suppress(IndexError):
            while True:
                line = self._idle.pop()
                if not line.connection.poll():  # it would tell that the other end was closed
                    return line
                line.connection.close()
        return None

    def _connected(self) -> Connected:
        limit = struct.pack("ll", int(self._timeout_s), int(self._timeout_s % 1 * 1e6))
        with socket.socket(socket.AF_UNIX) as opened:
            for way in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):  # then reads and writes end too
                opened.setsockopt(socket.SOL_SOCKET, way, limit)
            opened.connect(self._address())
            connection = Connection(opened.detach())
        file = memory_file()
        try:
            send_handle(connection, file, None)
        except BaseException:
            connection.close()
            os.close(file)
            raise
        return Connected(connection, Shared(file))
