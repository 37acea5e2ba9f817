"""Photo to answer over HTTP, stage by stage, through the real service and a plain one beside it.

    OMP_NUM_THREADS=2 python benchmarks/online.py --work /tmp/online --cards 10000 --tower small
    OMP_NUM_THREADS=2 python benchmarks/online.py --work /tmp/online --cards 1000000 --tower siglip2

Releases, graphs and photos that it made are kept in `--work`, and found again by the next run.
`--base HOME` takes index and cards of a home that benchmarks/refresh.py built. For photos of a
phone (12 megapixels) and small ones: both services are asked in turns of twenty, one photo at a
time; then by one client and by many, in turns too. Ends with tables and whether the bars are met;
`--work`/online-*.md keeps them.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from online_load import Answer, Throughput, as_file, as_form, ask, crowd, during, endless, joined
from online_photos import SIZES, photos
from online_release import SIGLIP, SMALL, Eyes, release_to_serve
from online_service import Serving, plain_service, service
from online_tables import Asked, Together, tell

from photosearch.assembly_serving import load_served_detector, load_served_embedder
from photosearch.embedding.graph import read_golden
from photosearch.progress import configure_logging, track
from photosearch.release import Release, open_release
from photosearch.settings import Services

N_PHOTOS = 8
"""Of a kind; asked with in turns."""
WARM_UP = 5
A_TURN = 20
"""Photos of one side before the other's turn."""
TURNS_TOGETHER = 5
FILLED_AFTER_S = 3.0
"""Many clients ask all at once at first; by then their searches are spread over all stages."""
ALONE_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class Sides:
    """Our service and, where it is asked too, the plain one."""

    ours: Serving
    plain: Serving | None


def models_alone(release_folder: Path, encoder_threads: int) -> dict[str, float]:
    """Milliseconds of the models without anything round them, by stage: p50 of one photo."""
    release = open_release(release_folder)
    embedder = load_served_embedder(release, Services(encoder_threads=encoder_threads))
    pixels = read_golden(release.graph, model=release.model).pixels[:1]
    alone = {"embed": _p50_ms(lambda: embedder.embed_pixels(pixels))}
    detector = load_served_detector(release)
    if detector is not None:
        from PIL import Image

        small = Image.fromarray(pixels[0]).resize(detector.seen_px)
        alone["objects"] = _p50_ms(lambda: detector.find_on(small, (3000, 4000)))
    return alone


def _p50_ms(run: Callable[[], object]) -> float:
    took_ms = []
    for _ in range(ALONE_ROUNDS):
        started = time.perf_counter()
        run()
        took_ms.append((time.perf_counter() - started) * 1000)
    return statistics.median(took_ms[ALONE_ROUNDS // 5 :])


def ask_in_turns(sides: Sides, contents: Sequence[bytes], n: int) -> Asked:
    """One photo at a time: some of ours, then some of plain, and so on.

    Not photo by photo: what one side still does after its answer (threads that wait by turning
    round, words that are read beside) would be paid by the other. The first few of each turn are
    not counted.
    """
    asked, worked = Asked(), Counter[str]()
    forms, files = endless(as_form, contents), endless(as_file, contents)
    for _ in track(range(-(-n // A_TURN)), "asking in turns", -(-n // A_TURN)):
        for _ in range(WARM_UP):
            _answered(ask(sides.ours.port, next(forms)))
        before, ran = sides.ours.worked_s(), sides.ours.models_ms()
        # nothing else is asked meanwhile: a service that has a moment begins to read words
        asked.ours += [_answered(ask(sides.ours.port, next(forms))) for _ in range(A_TURN)]
        worked.update(_since(before, sides.ours.worked_s()))
        now = sides.ours.models_ms()
        asked.models_ms.append({name: (now[name] - ran[name]) / A_TURN for name in now})
        if sides.plain is not None:
            for number in range(WARM_UP + A_TURN):
                one = _answered(ask(sides.plain.port, next(files)))
                if number >= WARM_UP:
                    asked.plain.append(one)
    asked.worked_ms = {name: seconds * 1000 / len(asked.ours) for name, seconds in worked.items()}
    return asked


def ask_together(
    sides: Sides, contents: Sequence[bytes], *, clients: int, seconds: float
) -> Together:
    """Our service by one client, then by many, then the plain one by many; and so on.

    In turns, because the pace of a borrowed machine changes by the minute. A turn of many begins
    once its clients have had some answers, and ends while all of them still ask.
    """
    forms, files = endless(as_form, contents), endless(as_file, contents)
    alone, many, plain = list[Throughput](), list[Throughput](), list[Throughput]()
    worked, batches = Counter[str](), np.zeros(2)
    a_turn = seconds / TURNS_TOGETHER
    for _ in track(range(TURNS_TOGETHER), "asking together", TURNS_TOGETHER):
        with crowd(sides.ours.port, forms, 1) as answers:
            alone.append(during(answers, a_turn))
        with crowd(sides.ours.port, forms, clients) as answers:
            time.sleep(FILLED_AFTER_S)
            worked_before, batches_before = sides.ours.worked_s(), sides.ours.batches()
            many.append(during(answers, a_turn))
            worked.update(_since(worked_before, sides.ours.worked_s()))
            batches += np.subtract(sides.ours.batches(), batches_before)
        if sides.plain is not None:
            with crowd(sides.plain.port, files, clients) as answers:
                time.sleep(FILLED_AFTER_S)
                plain.append(during(answers, a_turn))
    n_answers = len(joined(many).answers)
    worked_ms = {name: seconds * 1000 / max(n_answers, 1) for name, seconds in worked.items()}
    return Together(clients, alone, many, plain, worked_ms, batches[1] / max(batches[0], 1))


def _answered(answer: Answer) -> Answer:
    if answer.status != 200:
        raise SystemExit(f"A search was answered {answer.status}. Look at service.log.")
    return answer


def _since(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    return {name: seconds - before.get(name, 0.0) for name, seconds in now.items()}


def measure(release: Release, asked: argparse.Namespace) -> str:
    """Starts the services, asks them, and returns the tables."""
    work: Path = asked.work
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        alone = pool.submit(models_alone, release.folder, asked.threads).result()
    contents = {kind: photos(work / "photos", kind, N_PHOTOS) for kind in SIZES}
    told = []
    with service(release.folder, work, encoder_threads=asked.threads) as ours:
        resident_mb = ours.resident_mb()
        if asked.no_plain:
            sides = Sides(ours, None)
            told = [_kind(sides, kind, contents[kind], asked, alone) for kind in SIZES]
        else:
            with plain_service(release.folder, work, threads=asked.threads) as plain:
                sides = Sides(ours, plain)
                told = [_kind(sides, kind, contents[kind], asked, alone) for kind in SIZES]
    head = (
        f"{release.manifest.n_cards:,} cards, tower {asked.tower}, {asked.threads} threads, "
        f"detector {asked.detector_threads}, reading {'off' if asked.no_reading else 'on'}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; resident when ready "
        f"{resident_mb:,.0f} MB; models alone, ms: "
        + ", ".join(f"{name} {ms:.1f}" for name, ms in alone.items())
    )
    return "\n\n".join([head, *told]) + "\n"


def _kind(
    sides: Sides,
    kind: str,
    contents: Sequence[bytes],
    asked: argparse.Namespace,
    alone: dict[str, float],
) -> str:
    size_mb = np.mean([len(content) for content in contents]) / 1e6
    turns = ask_in_turns(sides, contents, asked.asked)
    many = ask_together(sides, contents, clients=asked.clients, seconds=asked.seconds)
    return f"## {kind}, {size_mb:.2f} MB\n\n" + tell(turns, many, alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="Where all that is made stays.")
    parser.add_argument("--cards", type=int, default=10_000)
    parser.add_argument("--tower", choices=[SIGLIP, SMALL], default=SMALL)
    parser.add_argument("--base", type=Path, help="A home of benchmarks/refresh.py.")
    parser.add_argument("--asked", type=int, default=200, help="Photos of a kind, one at a time.")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="Of each throughput, in all turns."
    )
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2, help="Of the encoder for one batch.")
    parser.add_argument("--detector-threads", type=int, default=1, help="As params.yaml has it.")
    parser.add_argument("--no-reading", action="store_true", help="Read no words beside.")
    parser.add_argument("--no-plain", action="store_true", help="Ask our service alone.")
    asked = parser.parse_args()
    configure_logging()
    asked.work.mkdir(parents=True, exist_ok=True)
    eyes = Eyes(asked.detector_threads, reads=not asked.no_reading)
    release = release_to_serve(asked.work, asked.cards, asked.tower, asked.base, eyes=eyes)
    text = measure(release, asked)
    report = asked.work / f"online-{release.manifest.n_cards}-{asked.tower}.md"
    report.write_text(text)
    print(text)  # noqa: T201 - what this command is for


if __name__ == "__main__":
    main()
