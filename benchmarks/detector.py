"""The product detector on the simulator's scenes: AP50, by number of products, and milliseconds.

    OMP_NUM_THREADS=1 python benchmarks/detector.py --scenes 300 --seeds 301 302

The worlds of the seeds were never trained on (those are 101 to 108) nor used to choose anything
(201), nor is one of them the demo's (7). Overlapping: scenes in which two products' true boxes
share at least .1 of their union. Counts of found things are at the confidence of
simulator/params.yaml; AP counts all from .01 up. Milliseconds are from an RGB photo in memory to
boxes and masks, of the round with the least median of five, for other programs work on the machine
too; decoding the JPEG is not in it. Intervals: bootstrap over scenes, 95%.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from photosearch.catalog.images import open_photo
from photosearch.evaluation.detection import average_precision, judge
from photosearch.perception.detector import Boxes, Found, overlaps
from photosearch.perception.detector_graphs import OpenGraph, by_onnxruntime, by_openvino
from photosearch.perception.onnx_detector import CLASSES_OF_OURS, OURS, OnnxDetector
from photosearch.progress import configure_logging, track
from photosearch.settings import load_params
from simulator.scenes import make_scene
from simulator.world import World

CARDS = 100
LEAST = 0.01
RESAMPLES = 500
PHOTOS_TIMED = 30


@dataclass(frozen=True, slots=True)
class Seen:
    photo: Image.Image
    truth: Boxes
    found: list[Found]


def look(
    path: Path, seeds: Sequence[int], n_scenes: int, open_graph: OpenGraph = by_onnxruntime
) -> list[Seen]:
    """The detector's things on scenes of worlds, as JPEG files would show them."""
    detector = _detector(path, LEAST, threads=1, open_graph=open_graph)
    seen = []
    numbers = [(seed, n) for seed in seeds for n in range(n_scenes)]
    for seed, number in track(numbers, "looking at scenes", len(numbers)):
        scene = make_scene(World(seed, CARDS), number)
        content = io.BytesIO()
        scene.image.save(content, "JPEG", quality=75)
        photo = open_photo(content.getvalue(), name="scene")
        truth = np.array([p.box for p in scene.products], float).reshape(-1, 4)
        seen.append(Seen(photo, truth, detector.find(photo)))
    return seen


def is_crowded(one: Seen) -> bool:
    """Do two products overlap?"""
    shared = overlaps(one.truth, one.truth)
    return bool((np.triu(shared, 1) >= 0.1).any())


SLICES: dict[str, Callable[[Seen], bool]] = {
    "all": lambda _: True,
    "no product": lambda one: len(one.truth) == 0,
    "one": lambda one: len(one.truth) == 1,
    "two or three": lambda one: len(one.truth) in {2, 3},
    "four to seven": lambda one: 4 <= len(one.truth) <= 7,
    "eight to ten": lambda one: len(one.truth) >= 8,
    "overlapping": is_crowded,
}


def quality(seen: Sequence[Seen], confidence_min: float) -> str:
    """A table of AP50 and of what is found at the confidence in use, by slice."""
    rows = [
        "| scenes | n | products | AP50 | 95% | AP75 | found | of them wrong | a scene |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, is_in in SLICES.items():
        part = [one for one in seen if is_in(one)]
        n_true = sum(len(one.truth) for one in part)
        sure = [[f for f in one.found if f.confidence >= confidence_min] for one in part]
        right = [judge(found, one.truth, 0.5)[1] for found, one in zip(sure, part, strict=True)]
        n_found, n_right = sum(map(len, sure)), int(sum(r.sum() for r in right))
        ap = "| |"
        if n_true:
            low, high = _interval(part)
            ap = f"{_ap(part, 0.5):.3f} | {low:.3f}-{high:.3f} | {_ap(part, 0.75):.3f}"
        share = f"{n_right / n_true:.3f}" if n_true else ""
        wrong = f"{(n_found - n_right) / max(1, n_found):.3f}" if n_found else "0"
        rows.append(
            f"| {name} | {len(part)} | {n_true} | {ap} | {share} | {wrong} | "
            f"{n_found / max(1, len(part)):.2f} |"
        )
    return "\n".join(rows)


def placing(seen: Sequence[Seen]) -> str:
    """How the boxes lie: median overlap of right boxes with the true ones."""
    best = [overlaps(np.array([f.box for f in one.found if f.confidence >= 0.3] or [(0.0,) * 4]),
                     one.truth).max(0) for one in seen if len(one.truth)]  # fmt: skip
    shared = np.concatenate(best)
    return f"overlap with a true box: median {np.median(shared[shared >= 0.5]):.3f}"


def _ap(part: Sequence[Seen], overlap_min: float) -> float:
    return average_precision(
        [one.found for one in part], [one.truth for one in part], overlap_min=overlap_min
    )


def _interval(part: Sequence[Seen]) -> tuple[float, float]:
    chance = np.random.default_rng(7)
    values = []
    for _ in range(RESAMPLES):
        drawn = [part[row] for row in chance.integers(len(part), size=len(part))]
        if any(len(one.truth) for one in drawn):
            values.append(_ap(drawn, 0.5))
    low, high = np.percentile(values, (2.5, 97.5)).tolist()
    return low, high


def speed(path: Path, photos: Sequence[Image.Image]) -> str:
    """Milliseconds a photo, by threads: of the clock, and of all processors together."""
    lines = ["| threads | clock, median | clock, p95 | processor, mean |", "|---|---|---|---|"]
    for threads in (1, 2):
        detector = _detector(path, 0.3, threads=threads)
        rounds = []
        for _ in range(5):
            times, worked = [], time.process_time()
            for photo in photos:
                start = time.perf_counter()
                detector.find(photo)
                times.append(1000 * (time.perf_counter() - start))
            worked = 1000 * (time.process_time() - worked) / len(photos)
            rounds.append((float(np.median(times)), float(np.percentile(times, 95)), worked))
        median, p95, worked = min(rounds)
        lines.append(f"| {threads} | {median:.1f} | {p95:.1f} | {worked:.1f} |")
    return "\n".join(lines)


RUNTIMES: dict[str, OpenGraph] = {
    "ONNX Runtime fp32": by_onnxruntime,
    "OpenVINO bf16": by_openvino,
}


def runtimes(path: Path, seeds: Sequence[int], n_scenes: int) -> str:
    """Both ways to run the graph: how good, how fast (asked in turns), and how far apart."""
    seen = {name: look(path, seeds, n_scenes, by) for name, by in RUNTIMES.items()}
    detectors = {
        name: _detector(path, 0.3, threads=1, open_graph=by) for name, by in RUNTIMES.items()
    }
    took_ms: dict[str, list[float]] = {name: [] for name in RUNTIMES}
    for one in [one for one in seen["ONNX Runtime fp32"][:PHOTOS_TIMED] for _ in range(5)]:
        for name, detector in detectors.items():
            start = time.perf_counter()
            detector.find(one.photo)
            took_ms[name].append(1000 * (time.perf_counter() - start))
    lines = [
        "| runtime, one thread | AP50 | 95% | AP75 | clock, median ms |",
        "|---|---|---|---|---|",
    ]
    for name, part in seen.items():
        low, high = _interval(part)
        lines.append(
            f"| {name} | {_ap(part, 0.5):.4f} | {low:.3f}-{high:.3f} | {_ap(part, 0.75):.4f} | "
            f"{np.median(took_ms[name]):.1f} |"
        )
    surest = [
        overlaps(np.array([a.found[0].box]), np.array([b.found[0].box]))[0, 0]
        for a, b in zip(*seen.values(), strict=True)
        if a.found and b.found
    ]
    others = sum(shared < 0.5 for shared in surest)
    lines.append(
        f"\nThe surest thing is another one in {others} of {len(surest)} scenes; else the two "
        f"boxes share {np.mean([shared for shared in surest if shared >= 0.5]):.3f} of their union."
    )
    return "\n".join(lines)


def _detector(
    path: Path, confidence_min: float, *, threads: int, open_graph: OpenGraph = by_onnxruntime
) -> OnnxDetector:
    params = load_params(Path("simulator/params.yaml")).detector
    return OnnxDetector(
        path,
        format_="ours",
        classes=CLASSES_OF_OURS,
        confidence_min=confidence_min,
        overlap_max=params.overlap_max,
        keep_masks=True,
        threads=threads,
        open_graph=open_graph,
    )


def main() -> None:
    """Prints the tables."""
    configure_logging()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=300, help="of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[301, 302])
    parser.add_argument("--detector", type=Path, default=OURS)
    parser.add_argument("--part", choices=("quality", "speed", "runtimes", "all"), default="all")
    arguments = parser.parse_args()
    if arguments.part in ("quality", "all"):
        seen = look(arguments.detector, arguments.seeds, arguments.scenes)
        confidence_min = load_params(Path("simulator/params.yaml")).detector.confidence_min
        sys.stdout.write(f"{quality(seen, confidence_min)}\n\n{placing(seen)}\n\n")
    if arguments.part in ("runtimes", "all"):
        told = runtimes(arguments.detector, arguments.seeds, arguments.scenes)
        sys.stdout.write(told + "\n\n")
    if arguments.part in ("speed", "all"):
        world = World(arguments.seeds[0], CARDS)
        photos = [make_scene(world, number).image for number in range(PHOTOS_TIMED)]
        sys.stdout.write(speed(arguments.detector, photos) + "\n")


if __name__ == "__main__":
    main()
