"""Asks a marketplace that made its own noise (the simulator) what every photo is."""

from typing import Any

import httpx

from photosearch.catalog.pull import load_snapshot
from photosearch.catalog.schemas import Photo, Rejected
from photosearch.catalog.tables import read_rows
from photosearch.curation.quality import CurationQuality, Truth, measure
from photosearch.errors import SourceUnreachable
from photosearch.home import Home

PAGE = 200
TIMEOUT_S = 60.0


def quality_of(home: Home, simulator_url: str) -> CurationQuality | None:
    """How good each rule was, where the snapshot is the simulator's and it is running; else None.

    Raises what `known_truth` raises.
    """
    if not simulator_url or load_snapshot(home.catalog).source != "simulator":
        return None
    rejected = read_rows(home.rejected, Rejected)
    pulled = {photo.photo_id for photo in read_rows(home.catalog / "photos.parquet", Photo)}
    pulled |= {row.photo_id for row in rejected}
    truth = known_truth(simulator_url)  # of cards that are gone, too
    return measure(rejected, {one: true for one, true in truth.items() if one in pulled})


def known_truth(address: str) -> dict[str, Truth]:
    """What every photo of the marketplace is, by photo_id.

    Raises:
        SourceUnreachable: It does not answer, or not in our words.
    """
    truth: dict[str, Truth] = {}
    cursor: str | None = ""
    try:
        with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
            while cursor is not None:
                parameters: dict[str, str | int] = {"limit": PAGE, "cursor": cursor}
                answer = client.get("/v1/truth", params=parameters).raise_for_status().json()
                for card in answer["cards"]:
                    truth |= _of_card(card["pictures"])
                cursor = answer["next_cursor"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise SourceUnreachable(
            f"{address}/v1/truth does not tell the truth ({error!r}). Start the simulator, or "
            "unset PHOTOSEARCH_SIMULATOR_URL to build without measuring."
        ) from None
    return truth


def _of_card(pictures: list[dict[str, Any]]) -> dict[str, Truth]:
    photo_of = {picture["image"]: picture["photo_id"] for picture in pictures}
    return {
        picture["photo_id"]: Truth(
            picture["nature"], photo_of[picture["of"]] if picture["of"] else None
        )
        for picture in pictures
    }
