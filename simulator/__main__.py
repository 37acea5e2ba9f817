"""`python -m simulator`: serves a marketplace until it is stopped; says where in one line."""

import argparse
import socket
import sys

import uvicorn

from simulator.marketplace import make_app
from simulator.world import World


def main() -> None:
    """Serves; with port 0 a free port is chosen."""
    arguments = _arguments()
    world = World(arguments.seed, arguments.cards, arguments.day)
    app = make_app(world, busy_every=arguments.busy_every)
    try:
        listening = socket.create_server((arguments.host, arguments.port), backlog=256)
    except OSError as error:
        sys.exit(
            f"Cannot listen at {arguments.host}:{arguments.port}: {error.strerror}. "
            "Choose another --port, or 0 for any free one."
        )
    port = listening.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))
    # the socket already queues connections, so whoever reads this line may connect at once
    sys.stdout.write(f"simulator ready at http://{arguments.host}:{port}\n")
    sys.stdout.flush()
    server.run(sockets=[listening])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--seed", type=int, default=7, help="another seed, another world")
    parser.add_argument("--cards", type=_positive, default=120, help="product cards on sale")
    parser.add_argument("--day", type=_count, default=0, help="days of changes since the opening")
    parser.add_argument(
        "--busy-every", type=_count, default=0, help="turn away one request of so many; 0: none"
    )
    parser.add_argument("--port", type=int, default=0, help="0 chooses a free one")
    parser.add_argument("--host", default="127.0.0.1")
    return parser.parse_args()


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    main()
