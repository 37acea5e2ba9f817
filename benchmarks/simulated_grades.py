"""Writes data/labels/relevance.jsonl of a simulator's home: grades that follow from the world.

The same product is of grade 5; another of its kind loses a grade for each attribute that differs
(both colours, pattern, brand, three proportions), down to 1; other kinds have no line.

python benchmarks/simulated_grades.py --home home/simulator
"""

import argparse
import json
import sys
from pathlib import Path

from photosearch.assembly import load_settings
from photosearch.evaluation.photo_to_card import load_task
from photosearch.report import write_text
from simulator.world import Product, World


def grade(asked: Product, shown: Product) -> int:
    """0 to 5."""
    if asked.group == shown.group:
        return 5
    one, other = asked.look, shown.look
    if one.kind != other.kind:
        return 0
    same = [
        one.colour == other.colour,
        one.second == other.second,
        one.pattern == other.pattern,
        one.brand == other.brand,
        one.form.tall == other.form.tall,
        one.form.wide == other.form.wide,
        one.form.style == other.form.style,
    ]
    return max(1, 5 - same.count(False))


def main() -> None:
    """Writes a line for each query and card of its kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(parser.parse_args().home)
    world = World(settings.params.simulator.seed, settings.params.simulator.cards)
    task = load_task(settings.home)
    shown = {photo.card_id for photo in task.gallery}
    by_id = {product.card_id: product for product in world.products()}
    lines = [
        json.dumps({"photo_id": photo.photo_id, "card_id": card, "grade": value})
        for photo in task.queries
        for card in sorted(shown)
        if (value := grade(by_id[photo.card_id], by_id[card]))
    ]
    write_text(settings.home.relevance, "\n".join(lines) + "\n")
    sys.stdout.write(f"{len(lines)} grades for {len(task.queries)} queries\n")


if __name__ == "__main__":
    main()
