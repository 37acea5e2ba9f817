"""What the product detector's maps should be for given boxes, and how wrong they are."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from training.detector_network import boxes_of

SPREAD = 0.11
"""Standard deviation of a centre's hill, as a share of the box's side..."""
LEAST_SPREAD = 0.45
"""...and in cells, where the box is small."""
BOX_CELLS = 0.4
"""Cells this high on a hill learn its box too, so that a centre that is a cell off costs little."""
CENTRE_WEIGHT, BOX_WEIGHT, MASK_WEIGHT = 1.0, 2.0, 1.0
FOCUS, FORGIVE = 2, 4


@dataclass(frozen=True, slots=True)
class Targets:
    """What the maps of a batch should be."""

    centres: Tensor
    """(B, h, w) in [0, 1]: a hill at each product's centre, 1 in the cell that holds it."""
    boxes: Tensor
    """(B, 4, h, w): the box of the highest hill at each cell."""
    n_boxes: int


def targets_of(boxes: Tensor, photos: Tensor, *, n_photos: int, cells: int) -> Targets:
    """Draws hills at the centres of boxes.

    Args:
        boxes: (n, 4) left, top, right, bottom in shares of the photo.
        photos: (n,) the photo of each box.
        n_photos: B.
        cells: h = w of the maps.

    Source: CenterNet, Zhou et al. 2019, "Objects as Points", section 3, with hills as wide as
    their boxes.
    """
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 * cells
    spread = ((boxes[:, 2:] - boxes[:, :2]) * cells * SPREAD).clamp(min=LEAST_SPREAD)
    at = torch.arange(cells) + 0.5
    x, y = (((at - middles[:, axis, None]) / spread[:, axis, None]) ** 2 for axis in (0, 1))
    hills = torch.exp(-0.5 * (x[:, None, :] + y[:, :, None]))
    column, row = middles.long().clamp(0, cells - 1).unbind(1)
    hills[torch.arange(len(boxes)), row, column] = 1
    centres = torch.zeros(n_photos, cells, cells)
    wanted = torch.zeros(n_photos, 4, cells, cells)
    for photo, hill, box in zip(photos.tolist(), hills, boxes, strict=True):
        is_higher = hill > centres[photo]
        wanted[photo, :, is_higher & (hill >= BOX_CELLS)] = box[:, None]
        centres[photo] = torch.maximum(centres[photo], hill)
    return Targets(centres, wanted, len(boxes))


def detector_loss(maps: tuple[Tensor, Tensor, Tensor], targets: Targets, masks: Tensor) -> Tensor:
    """Focal loss of centres, GIoU of boxes, cross-entropy of the foreground; a number.

    Args:
        maps: What ProductNetwork gives, float32.
        targets: See `targets_of`.
        masks: (B, H, W) in [0, 1], negative where nobody knows.
    """
    logits, sides, foreground = maps
    loss = CENTRE_WEIGHT * centre_loss(logits, targets)
    learns_box = (targets.centres >= BOX_CELLS) & (targets.boxes[:, 2] > targets.boxes[:, 0])
    if learns_box.any():
        weights = targets.centres[learns_box]
        found = boxes_of(sides).movedim(1, -1)[learns_box]
        wrong = generalized_box_iou_loss(found, targets.boxes.movedim(1, -1)[learns_box])
        loss = loss + BOX_WEIGHT * (wrong * weights).sum() / weights.sum()
    is_known = masks >= 0
    if is_known.any():
        loss = loss + MASK_WEIGHT * F.binary_cross_entropy_with_logits(
            foreground[is_known], masks[is_known]
        )
    return loss


def centre_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Focal loss that forgives cells beside a centre; per product.

    Source: Zhou et al. 2019, eq. 1; first in Law and Deng 2018, "CornerNet".
    """
    p = logits.sigmoid()
    is_centre = targets.centres == 1
    missed = -F.logsigmoid(logits) * (1 - p) ** FOCUS * is_centre
    invented = -F.logsigmoid(-logits) * p**FOCUS * (1 - targets.centres) ** FORGIVE * ~is_centre
    return (missed + invented).sum() / max(1, targets.n_boxes)
