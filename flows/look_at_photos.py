"""Measures the pixels of new photos, a mapped task a shard: in threads here, or on a cluster."""

from pathlib import Path

from prefect import flow, task, unmapped

from photosearch.curation.look_shards import SHARDS, measure_shard
from photosearch.home import Home


@task(retries=1)
def look_at_shard(home: Home, shard: str) -> int:
    """Measures the images of one shard that were not measured yet; returns how many."""
    return measure_shard(home, shard)


@flow(name="look-at-photos")
def look_at_photos(home: Path) -> int:
    """Looks at what no run looked at before; give it the `task_runner` of `flows.cluster`."""
    return sum(look_at_shard.map(unmapped(Home(home)), list(SHARDS)).result())
