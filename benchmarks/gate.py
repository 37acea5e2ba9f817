"""How often the gate promotes and refuses candidates whose true worth is known.

python benchmarks/gate.py --contests 100
"""

import argparse
import sys

import numpy as np

from photosearch.evaluation.promotion import Contest, judge
from photosearch.judging_settings import GateParams

CATEGORIES = {"Home": 60, "Clothes": 33, "Electronics": 24, "Sport": 22, "Furniture": 17,
              "Accessories": 17, "Bags": 14, "Shoes": 12, "Stationery": 8}  # fmt: skip
"""Queries a category, as in the simulator's home: 207 in all."""
CHANGED = 0.3
"""Share of queries on which two models differ, as in the first contest of that home."""
GATE = GateParams(
    metric="recall_at_1", length=512, min_gain=0.0, confidence=0.95, slice_margin=0.02,
    category_margin=0.05, category_queries_min=10, processor_ms_max=100, size_mb_max=100,
)  # fmt: skip


def main() -> None:
    """Prints the table of docs/experiments/gate.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contests", type=int, default=100)
    contests = parser.parse_args().contests
    sys.stdout.write(
        "| true gain | Electronics (24) | promoted | refused by category | by the mean |\n"
    )
    sys.stdout.write("|---|---|---|---|---|\n")
    for gain, worst in ((0.0, 0.0), (0.08, 0.08), (0.12, 0.12), (0.12, -0.15), (0.12, -0.3)):
        counts = np.zeros(3)
        for seed in range(contests):
            held = pretend(gain, worst, seed=seed)
            verdict = judge(held, GATE)
            sure = any(not c.is_well for c in verdict.checks if c.name.startswith("category "))
            counts += (verdict.is_promoted, sure, worse_by_mean(held))
        shares = " | ".join(f"{share:.2f}" for share in counts / contests)
        sys.stdout.write(f"| {gain:+.2f} | {worst:+.2f} | {shares} |\n")


def pretend(gain: float, worst: float, *, seed: int) -> Contest:
    """A contest whose candidate is better by `gain`, in Electronics by `worst`, plus chance."""
    dice = np.random.default_rng(seed)
    names = np.repeat(list(CATEGORIES), list(CATEGORIES.values()))
    true = np.where(names == "Electronics", worst, gain)
    won, lost = (CHANGED + true) / 2, (CHANGED - true) / 2
    roll = dice.random(len(names))
    difference = np.where(roll < won, 1.0, np.where(roll < won + lost, -1.0, 0.0))
    is_seen = dice.random(len(names)) < 0.44
    return Contest(
        "champion", "attention", "candidate", np.zeros(len(names)), difference,
        slices={"seen": is_seen.tolist(), "unseen": (~is_seen).tolist()},
        categories={name: (names == name).tolist() for name in CATEGORIES},
    )  # fmt: skip


def worse_by_mean(held: Contest) -> bool:
    """The other rule: some category's mean fell by more than the margin, sure or not."""
    return any(
        sum(members) >= GATE.category_queries_min
        and held.candidate[members].mean() < -GATE.category_margin
        for members in held.categories.values()
    )


if __name__ == "__main__":
    main()
