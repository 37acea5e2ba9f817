"""How long Label Studio takes for many pairs: push, push again, read nothing new.

python benchmarks/labels.py --url http://127.0.0.1:8080 --token TOKEN --pairs 10000
"""

import argparse
import json
import secrets
import sys
import time

from labeling.photos import LocalFiles
from labeling.project import LabelStudio
from labeling.questions import questions_for
from labeling.server import Server
from photosearch.catalog.schemas import Card, Pair


def main() -> None:
    """Pushes made-up pairs into the pairs project of a server and prints seconds as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--pairs", type=int, default=10_000)
    options = parser.parse_args()
    cards = {
        f"c{n}": Card(f"c{n}", f"Card {n}", None, None, [], None, None, None, f"g{n}")
        for n in range(2)
    }
    run = secrets.token_hex(8)
    pairs = [
        Pair(f"{run}{n:016x}", "c0/gallery/0", "c1/gallery/0", "c0", "c1", "a" * 64, "b" * 64,
             "look_alike", 0.5, "neighbours", 1 - n / options.pairs, 0.5, None)
        for n in range(options.pairs)
    ]  # fmt: skip
    seconds: dict[str, float] = {}
    with Server(options.url, options.token) as server:
        people = LabelStudio(server, LocalFiles(None), votes_first=2)
        questions = questions_for(
            pairs, cards=cards, image_address=people.image_address, blind_share=0.15
        )
        keys = [pair.pair_id for pair in pairs]
        for step, call in (
            ("ask which are there", lambda: people.already_asked(keys)),
            ("push", lambda: people.ask(questions)),
            ("ask which are there, all", lambda: people.already_asked(keys)),
            ("read answers", lambda: list(people.answered(None))),
        ):
            started = time.monotonic()
            call()
            seconds[step] = round(time.monotonic() - started, 2)
    sys.stdout.write(json.dumps({"pairs": options.pairs, "seconds": seconds}, indent=1) + "\n")


if __name__ == "__main__":
    main()
