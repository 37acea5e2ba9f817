"""The plan of a cluster: enough of everything, and no more."""

import runpy
from pathlib import Path
from typing import Any

import pytest

SIZE: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks/cluster_size.py"))
Kept, Node, plan = SIZE["Kept"], SIZE["Node"], SIZE["plan"]


def test_memory_of_all_copies_fits_and_one_node_less_would_not_hold_it():
    made = plan(Kept(400e6, 2, 1), Node(256, 1920), in_memory=1780, on_disk=1488)
    total_gb = 400e6 * 2 * 1780 / 1e9
    assert made.bound_by == "memory"
    assert made.ram_gb * made.nodes == pytest.approx(total_gb)
    assert made.ram_gb <= 0.8 * 256 < total_gb / (made.nodes - 1)


def test_small_disks_ask_for_more_nodes():
    made = plan(Kept(400e6, 2, 1), Node(1024, 200), in_memory=773, on_disk=1488)
    assert made.bound_by == "disk"
    assert made.disk_gb <= 0.8 * 200


def test_a_small_shop_gets_three_nodes_all_the_same():
    assert plan(Kept(1e6, 2, 1), Node(256, 1920), in_memory=1780, on_disk=1488).nodes == 3


@pytest.mark.parametrize("photos", [1e6, 40e6, 400e6, 2e9])
@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_every_node_keeps_equally_many_shards_and_two_at_least(photos: float, replicas: int):
    made = plan(Kept(photos, replicas, 1), Node(128, 1000), in_memory=1780, on_disk=1488)
    assert made.shards * replicas % made.nodes == 0
    assert made.shards * replicas >= 2 * made.nodes


def test_a_second_collection_takes_as_much_again():
    one, two = (
        plan(Kept(4e9, 2, n), Node(256, 1920), in_memory=1780, on_disk=1488) for n in (1, 2)
    )
    assert two.nodes == pytest.approx(2 * one.nodes, abs=1)


def test_nothing_to_keep_is_refused_with_its_numbers():
    with pytest.raises(ValueError, match="0 photos, 2 replicas, 1 collections"):
        plan(Kept(0, 2, 1), Node(256, 1920), in_memory=1, on_disk=1)
