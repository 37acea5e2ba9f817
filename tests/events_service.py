"""The call that keeps events, over one log, as a process of its own: `events_service.py ADDRESS`.

It prints its port once it listens, and keeps events until it is killed.
"""

import socket
import sys
from types import SimpleNamespace

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from bentos.events import routes
from photosearch.feedback.store import open_store


def main(address: str) -> None:
    events = open_store(address)
    served = SimpleNamespace(events=events)
    app = Starlette(routes=[Mount("/v1", routes=routes(lambda: served))])
    config = uvicorn.Config(app, ws="none", log_level="critical")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
