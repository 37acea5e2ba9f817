"""The one-class product detector: where products' centres are, their boxes, and what is product.

A plain convolutional network; knows neither photos nor how it is trained.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

IMAGE_PX = 320
"""Photos are squashed to a square of this side when the network is used."""
STRIDE, MASK_STRIDE = 8, 4
"""Pixels of that square between two cells of the centre map, and of the foreground map."""
WIDTHS = (16, 32, 64, 128, 160)
"""Channels at strides 2, 4, 8, 16 and 32."""
NECK = 64
MIDDLE_PX = 27.0
"""What a raw 0 means as a distance from a cell to a side of its box."""
MEAN, STD = 118.0, 64.0
"""Of grey values, so that the first layer sees numbers around zero."""
RARE = -4.6
"""Logit of .01: at first no cell is a centre, or the many empty ones would drown the loss."""


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, cells: Tensor) -> Tensor:
        return F.relu(cells + self.second(self.first(cells)))


class ProductNetwork(nn.Module):
    """Photos in, three maps out: logits of centres, box sides, logits of foreground."""

    def __init__(self) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = WIDTHS
        self.to_4 = nn.Sequential(convolution(3, w2, stride=2), convolution(w2, w4, stride=2))
        self.to_8 = nn.Sequential(convolution(w4, w8, stride=2), Residual(w8))
        self.to_16 = nn.Sequential(convolution(w8, w16, stride=2), Residual(w16), Residual(w16))
        self.to_32 = nn.Sequential(convolution(w16, w32, stride=2), Residual(w32))
        self.from_32, self.from_16 = nn.Conv2d(w32, NECK, 1), nn.Conv2d(w16, NECK, 1)
        self.from_8, self.from_4 = nn.Conv2d(w8, NECK, 1), nn.Conv2d(w4, w4, 1)
        self.at_16, self.at_8 = convolution(NECK, NECK), convolution(NECK, NECK)
        self.boxes = nn.Sequential(convolution(NECK, NECK), nn.Conv2d(NECK, 5, 1))
        self.at_4 = nn.Conv2d(NECK, w4, 1)
        self.foreground = nn.Sequential(convolution(w4, w4), nn.Conv2d(w4, 1, 1))
        last = self.boxes[-1]
        nn.init.constant_(last.bias, 0.0)  # type: ignore[arg-type]
        nn.init.constant_(last.bias[:1], RARE)  # type: ignore[index]

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, side, side) RGB in 0..255 -> maps; the side is a multiple of 32.

        Returns:
            (B, h, w) logits of "a product's centre is here"; (B, 4, h, w) distances from a cell's
            middle to left, top, right and bottom, in shares of the photo; (B, H, W) logits of "this
            is a product". h = side / STRIDE, H = side / MASK_STRIDE.
        """
        cells_4 = self.to_4((photos - MEAN) / STD)
        cells_8 = self.to_8(cells_4)
        cells_16 = self.to_16(cells_8)
        up_16 = doubled(self.from_32(self.to_32(cells_16)))
        up_8 = doubled(self.at_16(self.from_16(cells_16) + up_16))
        neck = self.at_8(self.from_8(cells_8) + up_8)
        maps = self.boxes(neck)
        # in pixels, so that what was learnt on small squares holds on larger ones
        sides = torch.exp(maps[:, 1:].clamp(-6, 4)) * (MIDDLE_PX / photos.shape[-1])
        foreground = self.foreground(self.from_4(cells_4) + doubled(self.at_4(neck)))
        return maps[:, 0], sides, foreground[:, 0]


class Decoded(nn.Module):
    """The network as it is exported: boxes and probabilities instead of maps."""

    def __init__(self, network: ProductNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, IMAGE_PX, IMAGE_PX) RGB in 0..255 -> boxes, confidences, foreground.

        Returns:
            (B, n, 4) left, top, right, bottom in shares of the photo; (B, n) in [0, 1], 0 where a
            neighbouring cell is surer; (B, H, W) in [0, 1].
        """
        centres, sides, foreground = self.network(photos)
        surest = F.max_pool2d(centres[:, None], 3, stride=1, padding=1)[:, 0]
        confidences = centres.sigmoid() * (centres == surest)
        return boxes_of(sides).flatten(2).mT, confidences.flatten(1), foreground.sigmoid()


def convolution(n_in: int, n_out: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    )


def doubled(cells: Tensor) -> Tensor:
    return F.interpolate(cells, scale_factor=2.0, mode="nearest")


def boxes_of(sides: Tensor) -> Tensor:
    """(B, 4, h, w) distances to the four sides -> left, top, right, bottom, in shares."""
    height, width = sides.shape[-2:]
    x = (torch.arange(width, device=sides.device) + 0.5) / width
    y = ((torch.arange(height, device=sides.device) + 0.5) / height)[:, None]
    left, top, right, bottom = sides.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], 1)
