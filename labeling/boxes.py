"""The box project: people draw rectangles round products; answers become training boxes.

Knows nothing of detectors.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labeling.photos import Photos
from labeling.pushing import push_once
from labeling.server import Server, condition
from photosearch.catalog.schemas import CuratedPhoto, DrawnBox
from photosearch.catalog.tables import read_rows, write_table
from photosearch.curation.splits import share_point
from photosearch.home import Home

TITLE = "Photosearch: boxes round products"
PEOPLE_A_PHOTO = 1

log = logging.getLogger(__name__)


class BoxProject:
    """The box project, created or brought up to date."""

    def __init__(self, server: Server, photos: Photos) -> None:
        self._server = server
        self._photos = photos
        self._project_id = server.ensure_project(
            TITLE, config_file=Path(__file__).with_name("box_task.xml"), votes_first=PEOPLE_A_PHOTO
        )

    def push(self, home: Home, *, n_photos: int) -> int:
        """Sends training photos, buyers' before sellers', each once; returns how many are new."""
        photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
        train = {photo.sha256: photo for photo in photos if photo.split == "train"}
        # Buyers show products among other things; the rest is chance that stays the same.
        chosen = sorted(
            train.values(), key=lambda photo: (photo.kind == "gallery", share_point(photo.sha256))
        )[:n_photos]
        sha256s = [photo.sha256 for photo in chosen]
        self._photos.show(self._server, self._project_id, home.images, sha256s)
        there = {
            task.data["sha256"]
            for task in self._server.tasks_by_key(self._project_id, "sha256", sha256s)
        }
        fresh: list[dict[str, Any]] = [
            {
                "data": {
                    "photo": self._photos.address(photo.sha256),
                    "sha256": photo.sha256,
                    "photo_id": photo.photo_id,
                }
            }
            for photo in chosen
            if photo.sha256 not in there
        ]
        push_once(self._server, self._project_id, fresh, key="sha256")
        log.info("%d photos wait for boxes, %d of them new", len(chosen), len(fresh))
        return len(fresh)

    def collect(self, path: Path) -> int:
        """Writes every box that was drawn, sorted by photo; returns how many there are."""
        emails = self._server.emails()
        answered = [condition("total_annotations", "greater", "Number", 0)]
        boxes = [
            box
            for task in self._server.tasks(self._project_id, answered)
            for annotation in task.annotations
            for box in boxes_of(task.data, annotation, emails)
        ]
        write_table(
            path, DrawnBox, sorted(boxes, key=lambda box: (box.photo_id, box.left, box.top))
        )
        return len(boxes)


def boxes_of(
    data: dict[str, Any], annotation: dict[str, Any], emails: dict[int, str]
) -> Iterator[DrawnBox]:
    """Rectangles of one answer; a skipped photo has none."""
    if annotation.get("was_cancelled"):
        return
    for region in annotation.get("result") or []:
        if region.get("from_name") != "box":
            continue
        value = region["value"]
        left, top = value["x"] / 100, value["y"] / 100
        who = annotation["completed_by"]
        yield DrawnBox(
            photo_id=data["photo_id"],
            sha256=data["sha256"],
            left=max(0.0, left),
            top=max(0.0, top),
            right=min(1.0, left + value["width"] / 100),
            bottom=min(1.0, top + value["height"] / 100),
            annotator=emails.get(who, str(who)),
            drawn_at=str(annotation.get("updated_at") or annotation["created_at"]),
        )
