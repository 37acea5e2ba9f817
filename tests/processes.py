"""Our commands as real processes, with a Prefect of their own and nothing of the caller's setup."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from photosearch.environment import quiet_environment

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """No PHOTOSEARCH_ or PREFECT_ variable of the caller's reaches the process."""
    inherited = {
        name: value
        for name, value in quiet_environment().items()
        if not name.startswith(("PHOTOSEARCH_", "PREFECT_API", "PREFECT_PROFILE"))
    }
    path = os.pathsep.join([str(BIN), inherited.get("PATH", "")])
    own = {"PATH": path, "PREFECT_HOME": str(folder / "prefect"), "OMP_NUM_THREADS": "1"}
    own["PHOTOSEARCH_DEADLINE_S"] = "60"  # a busy machine may take longer than shoppers would
    return inherited | own | more


def run(*arguments: str | Path, folder: Path, timeout_s: float = 240):
    """Runs `photosearch ...` in `folder` to its end."""
    return subprocess.run(
        [BIN / "photosearch", *arguments], cwd=folder, env=environment_of(folder),
        capture_output=True, text=True, timeout=timeout_s, check=False,
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
