"""How good the search is: cards ranked for queries, the gate's verdict, reports."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photosearch.embedding.embedder import Vectors, unit
from photosearch.errors import EmptySource
from photosearch.evaluation.benchmark import (
    Gallery,
    PhotoVectors,
    Ranking,
    averages,
    rank_cards,
    relevant_cards,
)
from photosearch.evaluation.promotion import Contest, judge
from photosearch.evaluation.report import (
    EvaluationReport,
    Measured,
    SliceReport,
    as_markdown,
    save_evaluation,
    slice_reports,
)
from photosearch.judging_settings import GateParams

GATE = GateParams(
    metric="recall_at_1", length=64, min_gain=0.0, confidence=0.95, slice_margin=0.02,
    category_margin=0.05, category_queries_min=10, processor_ms_max=60_000, size_mb_max=100,
)  # fmt: skip


def vectors(*degrees: float) -> Vectors:
    angles = np.deg2rad(np.array(degrees))
    return unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))


def test_photos_of_a_card_take_one_rank_and_the_nearest_counts():
    gallery = Gallery(
        ["b", "a", "b", "c"], ["B", "A", "B", "C"], vectors(10, 40, 5, 90)
    )  # card b lies nearest with both photos
    ranking = rank_cards(PhotoVectors(["A"], vectors(0)), gallery, length=2)
    assert ranking.found[0].tolist() == [False, True, False, *[False] * 7]
    assert ranking.n_relevant.tolist() == [1]


def test_every_card_of_the_product_is_relevant():
    gallery = Gallery(["a", "a2", "b"], ["A", "A", "B"], vectors(0, 60, 30))
    ranking = rank_cards(PhotoVectors(["A"], vectors(0)), gallery, length=2)
    assert ranking.found[0, :3].tolist() == [True, False, True]
    assert ranking.n_relevant.tolist() == [2]


def test_ties_go_by_card_id_whatever_the_order_of_photos():
    query = PhotoVectors(["A"], vectors(0))
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        ids = np.array(["c", "a", "b"])[order].tolist()
        gallery = Gallery(ids, [card_id.upper() for card_id in ids], vectors(20, 20, 20))
        assert rank_cards(query, gallery, length=2).found[0, 0]


def test_a_shorter_vector_is_ranked_by_its_first_numbers():
    queries = PhotoVectors(["A"], unit(np.array([[1.0, 0.0, 5.0]])))
    gallery = Gallery(["a", "b"], ["A", "B"], unit(np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 9.0]])))
    assert not rank_cards(queries, gallery, length=3).found[0, 0]
    assert rank_cards(queries, gallery, length=2).found[0, 0]


def test_more_queries_than_a_block_are_ranked_alike():
    dice = np.random.default_rng(0)
    cards = [f"c{n:02}" for n in range(30)]
    gallery = Gallery(cards, cards, unit(dice.normal(size=(30, 8))))
    groups = [cards[n % 30] for n in range(300)]
    queries = PhotoVectors(groups, unit(dice.normal(size=(300, 8))))
    whole = rank_cards(queries, gallery, length=8).found
    last = rank_cards(PhotoVectors(groups[250:], queries.vectors[250:]), gallery, length=8).found
    assert np.array_equal(whole[250:], last)


def test_a_product_that_is_not_in_the_gallery_is_named():
    with pytest.raises(EmptySource, match=r"2 queries look for.*first is 'X'.*--gallery source"):
        relevant_cards(["A", "X", "Y"], ["A", "B"])


def contest(champion: Sequence[float], candidate: Sequence[float], **slices: list[bool]) -> Contest:
    return Contest("old", "mean", "new", np.array(champion), np.array(candidate), slices)


def test_the_gate_promotes_a_clear_gain():
    champion, candidate = [0.0, 1.0] * 50, [1.0, 1.0] * 40 + [0.0, 1.0] * 10
    verdict = judge(contest(champion, candidate, seen=[True] * 60 + [False] * 40), GATE)
    assert verdict.is_promoted
    assert (verdict.gain, verdict.champion_mean, verdict.candidate_mean) == (0.4, 0.5, 0.9)
    assert verdict.confidence == 1
    assert all(reason.startswith("ok: ") for reason in verdict.reasons)
    assert verdict.reasons[-1] == "ok: seen: +0.5000 on 60 queries"


def test_the_gate_refuses_noise():
    champion = np.zeros(100)
    candidate = champion.copy()
    candidate[:6], champion[6:11] = 1, 1  # six won, five lost
    verdict = judge(contest(champion, candidate), GATE)
    assert verdict.gain == 0.01
    assert not verdict.is_promoted
    assert verdict.reasons[0].startswith("ok: gain +0.0100")
    assert verdict.reasons[1].startswith("NOT ENOUGH: better in ")
    assert "95% required" in verdict.reasons[1]


def test_the_gate_refuses_the_champion_itself():
    same = np.array([0.0, 1.0] * 20)
    verdict = judge(contest(same, same), GATE)
    assert not verdict.is_promoted
    assert "NOT ENOUGH: gain +0.0000 against the required more than 0.0" in verdict.reasons


def test_the_gate_refuses_a_candidate_that_is_worse_in_one_slice():
    champion = [0.0] * 80 + [1.0] * 20
    candidate = [1.0] * 80 + [1.0] * 19 + [0.0]
    is_unseen = [False] * 80 + [True] * 20
    verdict = judge(contest(champion, candidate, unseen=is_unseen, empty=[False] * 100), GATE)
    assert verdict.gain == 0.79
    assert not verdict.is_promoted
    assert verdict.reasons[-1] == "NOT ENOUGH: unseen: -0.0500 on 20 queries"  # none on `empty`


def test_the_gate_gives_the_same_verdict_twice():
    dice = np.random.default_rng(1)
    held = contest(dice.integers(0, 2, 50), dice.integers(0, 2, 50))
    assert judge(held, GATE) == judge(held, GATE)


def ranking_of(*ranks: int) -> Ranking:
    """One relevant card a query, at this rank."""
    found = np.zeros((len(ranks), 10), np.bool_)
    for row, rank in enumerate(ranks):
        found[row, rank - 1] = True
    return Ranking(found, np.ones(len(ranks), np.int64))


def a_report() -> EvaluationReport:
    measured = Measured(
        {64: ranking_of(1, 1, 2), 32: ranking_of(1, 2, 2)},
        {64: ranking_of(2, 2, 2), 32: ranking_of(2, 2, 4)},
        np.array([True, False, False]),
    )
    parts = slice_reports(measured)
    whole = parts.pop("all")
    return EvaluationReport(
        whole.queries, 5, "source", whole.lengths, whole.baseline, parts, 0, "r1", "m1", "d1"
    )


def test_slices_part_queries_by_whether_their_product_was_seen():
    report = a_report()
    assert {name: part.queries for name, part in report.slices.items()} == {"seen": 1, "unseen": 2}
    assert report.lengths["64"]["recall_at_1"] == 0.6667
    assert report.slices["seen"].lengths["64"]["recall_at_1"] == 1
    assert report.slices["unseen"].lengths["64"]["recall_at_1"] == 0.5
    assert report.slices["unseen"].baseline["32"]["mrr"] == 0.375


def test_a_slice_without_queries_is_left_out():
    ranking = {8: ranking_of(1)}
    assert sorted(slice_reports(Measured(ranking, ranking, np.array([True])))) == ["all", "seen"]


def test_averages_are_over_the_kept_queries():
    values = {"mrr": np.array([1.0, 0.5, 0.25])}
    assert averages(values, np.array([True, False, True])) == {"mrr": 0.625}


def test_the_table_shows_the_model_beside_mean_pooling():
    lines = as_markdown(a_report()).splitlines()
    assert lines[0].startswith("3 queries, 5 cards, gallery `source`, release `r1`, model `m1`")
    assert "| all (3) | 64 | this | 0.667 | 1.000 | 1.000 | 0.833 | 0.833 | 0.877 |" in lines
    assert any(line.startswith("| unseen (2) | 32 | mean pooling | 0.000 |") for line in lines)
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_a_length_that_mean_pooling_cannot_make_has_one_line():
    report = a_report()
    del report.baseline["64"]
    table = as_markdown(report)
    assert "| all (3) | 64 | this |" in table
    assert "| all (3) | 64 | mean pooling |" not in table


def test_a_report_is_kept_as_json_table_and_plot(tmp_path: Path):
    report = a_report()
    save_evaluation(tmp_path / "evaluation", report)
    kept = json.loads((tmp_path / "evaluation" / "report.json").read_text())
    kept["slices"] = {name: SliceReport(**part) for name, part in kept["slices"].items()}
    assert EvaluationReport(**kept) == report
    assert (tmp_path / "evaluation" / "report.md").read_text() == as_markdown(report)
    plot = tmp_path / "evaluation" / "recall.png"
    first = plot.read_bytes()
    with Image.open(plot) as picture_of_it:
        assert picture_of_it.width > 900  # three panels: all, seen, unseen
    save_evaluation(tmp_path / "evaluation", report)
    assert plot.read_bytes() == first
