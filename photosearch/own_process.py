"""An object in a process of its own, asked from here: nobody else stands still while it works.

The process ends with the one that started it, however that ends, also where somebody stopped it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any

Opens = Callable[[], Any]
"""Makes the object, which can be closed. Goes to the other process: a function of a module, or a
`partial` of one."""
Failed = tuple[type[BaseException], str]
Reply = tuple[Failed | None, Any]
END_WITHIN_S = 30
TELL_WHEN_PARENT_ENDS = 1
"""PR_SET_PDEATHSIG of Linux' prctl."""


class ProcessEnded(Exception):
    """The process ended before it answered; it is started anew, or was closed."""


class OwnProcess:
    """The other process, asked by one thread at a time; started anew where it died."""

    def __init__(self, opens: Opens) -> None:
        """Starts it and waits until the object is there; raises what `opens` raises."""
        self._opens, self._lock, self._is_closed = opens, Lock(), False
        self._start()
        try:
            self._reply()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._process.pid

    def ask(self, name: str, *args: object, **kwargs: object) -> Any:
        """What the object's method returns or raises, or the value of its attribute.

        Raises:
            ProcessEnded: There is no process, or no longer.
        """
        with self._lock:
            if self._is_closed:
                raise ProcessEnded("It was closed.")
            try:
                if not self._is_open:
                    self._reply()
                self._connection.send((name, args, kwargs))
                return self._reply()
            except (EOFError, OSError) as error:
                self._connection.close()
                self._process.kill()
                self._process.wait()
                self._start()
                raise ProcessEnded(f"It ended ({type(error).__name__}).") from error

    def go_on(self) -> None:
        """Lets it go on where somebody stopped it (SIGSTOP); else it does nothing."""
        if hasattr(signal, "SIGCONT"):
            self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Has the object closed and the process end; calling twice is no error."""
        self.go_on()  # one that was stopped would not see the pipe's end
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
    """Makes the object that it is told to, and answers until nobody can ask any more."""
    try:
        thing = connection.recv()()
    except Exception as error:
        connection.send(_failed(error))
        return
    with closing(thing):
        connection.send((None, None))
        while True:
            try:
                name, args, kwargs = connection.recv()
            except EOFError:
                return
            try:
                asked = getattr(thing, name)
                reply: Reply = (None, asked(*args, **kwargs) if callable(asked) else asked)
            except Exception as error:  # whatever it is, it is the caller's
                reply = _failed(error)
            connection.send(reply)


def _failed(error: Exception) -> Reply:
    return (type(error), str(error)), None


if __name__ == "__main__":
    # BentoML's supervisor sends it to all below a service, and the pipe's end closes what is open.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":  # one that was stopped would not see the pipe's end
        ctypes.CDLL(None).prctl(TELL_WHEN_PARENT_ENDS, signal.SIGCONT)
    serve(Connection(int(sys.argv[1])))
