"""A PostgreSQL of one's own, from the binaries of this machine; stopped and gone at the end."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from processes import free_port

BINARIES = ("initdb", "pg_ctl", "postgres")
USERS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root: the first of these that exists runs it then."""


def is_here() -> bool:
    return all(shutil.which(name) for name in BINARIES)


class PostgresServer:
    """Runs from `start` to `stop`; may be killed and started again."""

    def __init__(self, folder: Path, *, survives_power_cuts: bool = False) -> None:
        """Makes an empty cluster in `folder`, which must be open to the user that runs it.

        Without waiting for the disk it is as safe from kills, and much faster on a busy machine.
        """
        self._syncs = "on" if survives_power_cuts else "off"
        self._folder, self._port, self._made = folder, free_port(), 0
        self._run("initdb", "-D", str(folder / "data"), "-U", "photosearch", "--auth=trust",
                  "--encoding=UTF8", "--no-locale", "--no-sync")  # fmt: skip

    @property
    def address(self) -> str:
        return f"postgresql://photosearch@127.0.0.1:{self._port}/postgres"

    def empty_database(self) -> str:
        """Makes a database; returns its address."""
        self._made += 1
        name = f"log{self._made}"
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.address.removesuffix("postgres") + name

    def start(self) -> None:
        where = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync={self._syncs}"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-o", where,
                  "-l", str(self._folder / "log"), "start")  # fmt: skip

    def stop(self, *, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", mode, "stop")

    def _run(self, *command: str) -> None:
        subprocess.run(
            command, check=True, cwd=self._folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, **_as_somebody(),
        )  # fmt: skip


@contextmanager
def postgres_server(*, survives_power_cuts: bool = False) -> Iterator[PostgresServer]:
    """An empty server on a free port."""
    folder = Path(tempfile.mkdtemp(prefix="photosearch-postgres-"))  # pytest's own are closed
    if user := _as_somebody().get("user"):
        shutil.chown(folder, user)
    server = PostgresServer(folder, survives_power_cuts=survives_power_cuts)
    server.start()
    try:
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)


def _as_somebody() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    here = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in USERS if name in here)
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
