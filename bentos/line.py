"""A line between processes of one machine: a call takes tenths of a millisecond, by HTTP some.

What goes over it is pickled: both ends are ours, and nobody joins who was not told the key.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

Place = tuple[str, str]
"""File of a socket, and the key to it in hexadecimal digits."""
Reply = tuple[str | None, Any]
"""What was raised over there, or None and the answer."""
BACKLOG = 64
AFTER_FAILING_S = 0.05
"""A caller that cannot come in is followed by another no sooner."""
ENDED = (EOFError, ConnectionError)


class CallFailed(Exception):
    """What was called raised an error over there."""


class Line:
    """Answers calls from other processes, each caller in a thread of its own."""

    def __init__(self, calls: Mapping[str, Callable[..., Any]]) -> None:
        """Answers from now on.

        Args:
            calls: What can be called, by name; arguments and answers can be pickled.
        """
        self._calls, key = calls, secrets.token_bytes(32)
        self._folder = TemporaryDirectory(prefix="photosearch-line-")  # nobody else may enter it
        address = str(Path(self._folder.name) / "line")
        self._listener = Listener(address, "AF_UNIX", backlog=BACKLOG, authkey=key)
        self.place: Place = (address, key.hex())
        self._is_closed = False
        Thread(target=self._accept, name="line", daemon=True).start()

    def close(self) -> None:
        """Nobody new is answered; calls under way end."""
        self._is_closed = True
        self._listener.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                caller = self._listener.accept()
            # A caller without the key, one that went away at once, no more files: no reason to end.
            except (AuthenticationError, EOFError, OSError):
                time.sleep(AFTER_FAILING_S)
                continue
            Thread(target=self._answer, args=(caller,), name="line", daemon=True).start()

    def _answer(self, caller: Connection) -> None:
        with caller, suppress(*ENDED):
            while True:
                name, args = caller.recv()
                try:
                    reply: Reply = (None, self._calls[name](*args))
                except Exception as error:  # whatever it is, it is the caller's
                    reply = (f"{type(error).__name__}: {error}", None)
                caller.send(reply)


class Caller:
    """Calls over a line. Threads share it: a connection carries one call at a time."""

    def __init__(self, place: Callable[[], Place], *, timeout_s: float) -> None:
        """Connects to nothing yet.

        Args:
            place: Asked for each new connection: a process that was started anew has another.
            timeout_s: Of a call.
        """
        self._place, self._timeout_s = place, timeout_s
        self._idle: deque[Connection] = deque()

    def call(self, name: str, *args: object) -> Any:
        """What the function of that name returns over there.

        Raises:
            CallFailed: It raised.
            EOFError, OSError: Nobody answers, or not in time (TimeoutError).
        """
        with suppress(IndexError, *ENDED):  # an idle one may be of a process that is gone
            return self._call_by(self._idle.pop(), name, args)
        address, key = self._place()
        return self._call_by(Client(address, authkey=bytes.fromhex(key)), name, args)

    def close(self) -> None:
        """Ends the connections that carry no call."""
        while self._idle:
            self._idle.pop().close()

    def _call_by(self, connection: Connection, name: str, args: tuple[object, ...]) -> Any:
        try:
            connection.send((name, args))
            if not connection.poll(self._timeout_s):
                raise TimeoutError(f"{name} was not answered within {self._timeout_s:g} s")
            failed, answer = connection.recv()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if failed is not None:
            raise CallFailed(failed)
        return answer
