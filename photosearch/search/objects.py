"""The things on a photo that can be searched, and which of them a search is for."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from photosearch.catalog.images import Box
from photosearch.catalog.seen_photo import SeenPhoto
from photosearch.perception.detector import Found
from photosearch.search.schemas import SeenObject
from photosearch.search.steps import Look
from photosearch.search.stopwatch import Stopwatch

OBJECTS_MAX = 20
"""More boxes than these on one photo cannot be told apart by a finger."""


def things_on(
    photo: SeenPhoto,
    look: Look | None,
    watch: Stopwatch,
    meanwhile: Callable[[], None] = lambda: None,
) -> Sequence[Found]:
    """The things on a photo in its pixels, surest first; none where nothing looks.

    Args:
        photo: Its pixels are looked at.
        look: Elsewhere, so that here something else can be done.
        watch: Times the stage `objects`, with what is done meanwhile.
        meanwhile: Done in any case.
    """
    if look is None:
        meanwhile()
        return ()
    with watch.stage("objects"):
        wait = look(photo.pixels)
        meanwhile()
        things = wait()
    return [replace(thing, box=photo.in_full(thing.box)) for thing in things]


def choose_box(things: Sequence[Found], given: Box | None) -> Box | None:
    """What to search: the given box, else that of the surest thing, else None, the whole photo."""
    if given is not None or not things:
        return given
    return whole_pixels(things[0].box)


def as_objects(things: Sequence[Found], chosen: Box | None) -> list[SeenObject]:
    """The surest things as objects of an answer; equal to `chosen` is the chosen one."""
    boxes = [whole_pixels(thing.box) for thing in things[:OBJECTS_MAX]]
    return [
        SeenObject(
            box=box,
            confidence=round(thing.confidence, 4),
            name=thing.name,
            is_chosen=box == chosen,
        )
        for box, thing in zip(boxes, things, strict=False)
    ]


def whole_pixels(box: Box) -> Box:
    """The box widened to whole pixels: asked with, it cuts out the very part that was searched."""
    left, top, right, bottom = box
    return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)
