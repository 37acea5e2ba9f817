"""How large a Qdrant cluster must be, worked out from the measured bytes of a photo.

    python benchmarks/cluster_size.py
    python benchmarks/cluster_size.py --products 400e6 --photos 2 --replicas 3 --node-ram-gb 512

The bytes are those of `benchmarks/index.py --size 1000000` (docs/experiments/index.md), one segment
of Qdrant Edge; a server keeps the same structures. What must be in memory is what belongs to no
file (codes, graph's and payload's lookups); what should be is everything that a search touches.
"""

import argparse
import math
import sys
from dataclasses import dataclass

GB = 10**9
MOST_FILLED = 0.8
"""Of a node's memory: above, Qdrant's documents call the resident part a sign of a problem."""
NODES_LEAST = 3
"""With two, the loss of one stops every change of a collection (Raft wants a majority)."""
SHARDS_A_NODE = 2
"""At least: a node more can then take shards from the others without cutting one in two."""
DISK_COPIES = 2
"""An optimiser writes a segment anew before it removes the old one, and snapshots need room."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes a photo of 256 numbers, fp16, listing and links included."""

    disk: float
    memory_least: float
    """Of no file: it cannot be pushed out."""
    memory_all: float
    """Resident after searches of every kind: nothing is read from disk."""
    from_size: int


MEASURED = {"int8": Measured(disk=1714, memory_least=864, memory_all=2002, from_size=1_000_000)}
"""By quantisation; docs/experiments/index.md."""


@dataclass(frozen=True, slots=True)
class Node:
    ram_gb: float
    disk_gb: float


@dataclass(frozen=True, slots=True)
class Kept:
    photos: float
    """Points of one collection."""
    replicas: int
    """Nodes that keep each shard."""
    collections: int
    """Such collections side by side: two while a new model's index is built beside the live one."""

    @property
    def copies(self) -> float:
        """Photos on all nodes together."""
        return self.photos * self.replicas * self.collections


@dataclass(frozen=True, slots=True)
class Plan:
    nodes: int
    shards: int
    """Of a collection."""
    ram_gb: float
    """Of each node, used."""
    disk_gb: float
    """Of each node, used, room for the optimiser included."""
    bound_by: str


def plan(kept: Kept, node: Node, *, in_memory: float, on_disk: float) -> Plan:
    """The fewest nodes that hold what is kept.

    Args:
        kept: Photos and copies.
        node: What each machine has.
        in_memory: Bytes of a photo.
        on_disk: Bytes of a photo, once.

    Raises:
        ValueError: There is no photo, replica or collection.
    """
    if kept.photos < 1 or kept.replicas < 1 or kept.collections < 1:
        raise ValueError(
            f"{kept.photos:g} photos, {kept.replicas} replicas, {kept.collections} collections: "
            "name at least one of each."
        )
    memory_gb, disk_gb = kept.copies * in_memory / GB, kept.copies * on_disk * DISK_COPIES / GB
    wanted = {
        "memory": math.ceil(memory_gb / (node.ram_gb * MOST_FILLED)),
        "disk": math.ceil(disk_gb / (node.disk_gb * MOST_FILLED)),
        "replicas": max(NODES_LEAST, kept.replicas),
    }
    bound_by = max(wanted, key=lambda name: wanted[name])
    nodes = wanted[bound_by]
    shards = _shards(nodes, kept.replicas)
    return Plan(nodes, shards, memory_gb / nodes, disk_gb / nodes, bound_by)


def _shards(nodes: int, replicas: int) -> int:
    """The fewest parts of which every node keeps equally many, at least SHARDS_A_NODE."""
    return next(
        shards
        for shards in range(1, nodes * SHARDS_A_NODE + 1)
        if shards * replicas % nodes == 0 and shards * replicas >= nodes * SHARDS_A_NODE
    )


def table(asked: argparse.Namespace, measured: Measured) -> str:
    """Every plan asked for, as Markdown."""
    rows = [
        "| in memory | collections | nodes | shards | memory a node, GB | disk a node, GB | "
        "million photos a shard | bound by |",
        "|---|---|---|---|---|---|---|---|",
    ]
    photos = asked.products * asked.photos
    node = Node(asked.node_ram_gb, asked.node_disk_gb)
    ways = {
        "all that is searched": measured.memory_all,
        "only what must be, vectors read from disk": measured.memory_least,
    }
    for way, in_memory in ways.items():
        for collections in (1, 2):
            kept = Kept(photos, asked.replicas, collections)
            one = plan(kept, node, in_memory=in_memory, on_disk=measured.disk)
            rows.append(
                f"| {way} | {collections} | {one.nodes} | {one.shards} | {one.ram_gb:.0f} of "
                f"{node.ram_gb:.0f} | {one.disk_gb:.0f} of {node.disk_gb:.0f} | "
                f"{photos / one.shards / 1e6:.1f} | {one.bound_by} |"
            )
    head = (
        f"{asked.products / 1e6:g} million products, {asked.photos:g} photos each, "
        f"{asked.replicas} replicas, {asked.quantisation}: {measured.disk:g} bytes a photo on "
        f"disk, {measured.memory_least:g} to {measured.memory_all:g} in memory, measured at "
        f"{measured.from_size:,} photos"
    )
    return head + "\n\n" + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=float, default=400e6)
    parser.add_argument("--photos", type=float, default=1.0, help="Of a product in the index.")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--quantisation", choices=list(MEASURED), default="int8")
    parser.add_argument("--node-ram-gb", type=float, default=256)
    parser.add_argument("--node-disk-gb", type=float, default=1920)
    for name in ("disk", "memory-least", "memory-all"):
        parser.add_argument(f"--{name}-bytes", type=float, help="Of a photo; else as measured.")
    asked = parser.parse_args()
    known = MEASURED[asked.quantisation]
    measured = Measured(
        asked.disk_bytes or known.disk,
        asked.memory_least_bytes or known.memory_least,
        asked.memory_all_bytes or known.memory_all,
        known.from_size,
    )
    sys.stdout.write(table(asked, measured))


if __name__ == "__main__":
    main()
