"""Detectors of transformers, exported and run: the boxes are those that transformers gives."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from photosearch.perception.detector import inside
from photosearch.perception.detector_formats import as_input
from photosearch.perception.onnx_detector import OnnxDetector

SIDE = 128
NAMES = ("cup", "lamp", "shoe")


class Graph(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        found = self.model(pixel_values=pixel_values)
        return found.logits, found.pred_boxes


def small_model(kind: str) -> nn.Module:
    """Random weights, larger than transformers' own, so that answers differ."""
    import transformers

    backbone = transformers.RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 32, 48, 64],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )
    config = getattr(transformers, f"{kind}Config")(
        backbone_config=backbone,
        num_labels=len(NAMES),
        d_model=32,
        encoder_hidden_dim=32,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=336,  # all cells: a model of random weights would choose among near ties
        encoder_in_channels=[32, 48, 64],
        decoder_in_channels=[32, 32, 32],
        num_denoising=0,
    )
    torch.manual_seed(0)
    model: nn.Module = getattr(transformers, f"{kind}ForObjectDetection")(config)
    for weights in model.parameters():
        if weights.dim() > 1:
            nn.init.normal_(weights, std=weights[0].numel() ** -0.5)
    return model.eval()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # tracing warns of every shape that it takes for constant
@pytest.mark.parametrize("kind", ["RTDetr", "RTDetrV2", "DFine"])
def test_an_exported_model_finds_what_transformers_finds(tmp_path: Path, kind: str):
    from transformers import RTDetrImageProcessor

    model, path = small_model(kind), tmp_path / "detector.onnx"
    torch.onnx.export(
        Graph(model).eval(),
        (torch.rand(1, 3, SIDE, SIDE),),
        str(path),
        input_names=["pixel_values"],
        output_names=["logits", "pred_boxes"],
        dynamo=False,
        opset_version=17,
    )
    noise = np.random.default_rng(1).integers(0, 256, (90, 160, 3), np.uint8)
    photo = Image.fromarray(noise).resize((320, 180), Image.Resampling.BICUBIC)
    # the very same numbers: models of random weights choose their queries among near ties
    pixels = torch.from_numpy(as_input(photo, "rtdetr", (SIDE, SIDE)))
    with torch.inference_mode():
        told = model(pixel_values=pixels)
    wanted = RTDetrImageProcessor().post_process_object_detection(
        told, threshold=0.0, target_sizes=[(180, 320)]
    )[0]
    found = OnnxDetector(
        path,
        format_="rtdetr",
        classes=NAMES,
        confidence_min=0.0,
        overlap_max=1.0,
        keep_masks=False,
        threads=1,
    ).find(photo)
    boxes = [inside(box, photo.size) for box in wanted["boxes"].tolist()]
    best = next(place for place, box in enumerate(boxes) if box is not None)
    surest = found[0]
    assert surest.confidence == pytest.approx(wanted["scores"][best].item(), abs=1e-4)
    assert surest.name == NAMES[int(wanted["labels"][best])]
    assert surest.box == pytest.approx(boxes[best], abs=0.1)
