"""Where mapped tasks run: threads of this process, or a Dask cluster by its address."""

import os
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from photosearch.errors import ClusterUnreachable
from photosearch.settings import load_services

ANSWER_WITHIN_S = 10


def task_runner() -> TaskRunner[Any]:
    """Of the cluster that PHOTOSEARCH_DASK_ADDRESS names, else of this machine.

    Workers must see the home under the same path, have this package, and reach the Prefect server.

    Raises:
        ClusterUnreachable: No scheduler answers at that address.
    """
    address = load_services().dask_address
    if not address:
        return ThreadPoolTaskRunner(max_workers=os.cpu_count() or 1)
    from distributed import Client
    from prefect_dask.task_runners import DaskTaskRunner

    try:
        Client(address, timeout=ANSWER_WITHIN_S).close()  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ClusterUnreachable(
            f"No Dask scheduler answers at {address}: {error}. Start one with `dask scheduler`, "
            "or mend or unset PHOTOSEARCH_DASK_ADDRESS."
        ) from error
    return DaskTaskRunner(address=address)
