"""The graph of a model: every runtime makes what PyTorch made, and none that does not may serve."""

import io
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import drawn_graph
import numpy as np
import pytest
import torch
from drawn_graph import PHOTOS
from PIL import Image
from small_model import drawn_photos

from photosearch.assembly_late import draw_maps
from photosearch.assembly_serving import load_served_embedder
from photosearch.embedding import export
from photosearch.embedding.embedder import unit
from photosearch.embedding.export import ServedModel, _write_graph, export_graph, load_torch
from photosearch.embedding.graph import (
    GOLDEN,
    GRAPH,
    SIGHT,
    VECTORS,
    Golden,
    GraphEmbedder,
    agreement,
    read_golden,
)
from photosearch.embedding.model import HeadShape, Lineage, write_model
from photosearch.embedding.onnx_runtime import load_onnx
from photosearch.embedding.openvino_runtime import has_bf16, load_openvino
from photosearch.embedding.runtime_choice import (
    MIN_COSINE,
)
from photosearch.embedding.torch_runtime import TorchEmbedder
from photosearch.errors import BadArtifact
from photosearch.release import Manifest, Release
from photosearch.settings import Services

model = drawn_graph.model
graph = drawn_graph.graph

STORED = Path(__file__).parent / "golden" / "small_model.json"
"""Vectors of `drawn_photos` by `drawn_model`; made once, by PyTorch 2.15 in fp32."""
NO_TORCH = Path(__file__).parent / "no_torch"
needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="this processor has no bf16")
RUNS = {
    "torch fp32": lambda model, _: load_torch(model, precision="fp32"),
    "torch bf16": lambda model, _: load_torch(model, precision="bf16"),
    "onnxruntime fp32": lambda _, graph: load_onnx(graph, threads=1),
    "openvino fp32": lambda _, graph: load_openvino(graph, threads=1, precision="fp32"),
    "openvino bf16": lambda _, graph: load_openvino(graph, threads=1, precision="bf16"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=needs_bf16) if "bf16" in n else n for n in RUNS]
)
def test_every_runtime_makes_the_stored_golden_vectors(name: str, model: Path, graph: Path):
    embedder = GraphEmbedder(model, RUNS[name](model, graph))
    vectors = embedder.embed(PHOTOS)
    stored = np.array(json.loads(STORED.read_text()), np.float32)
    cosine = agreement(Golden("stored", embedder_pixels(embedder), stored), vectors)
    assert cosine >= MIN_COSINE["bf16" if "bf16" in name else "fp32"]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    # the photos are far enough apart that a runtime which mixes them up would be noticed
    assert (stored @ stored.T)[~np.eye(len(stored), dtype=bool)].max() < 0.99


def embedder_pixels(embedder: GraphEmbedder) -> np.ndarray:
    return np.stack([embedder.preprocessing.pixels(photo) for photo in PHOTOS])


@pytest.mark.parametrize("name", ["onnxruntime fp32", "openvino fp32"])
def test_a_photo_has_the_same_vector_alone_and_among_others(name: str, model: Path, graph: Path):
    embedder = GraphEmbedder(model, RUNS[name](model, graph))
    together = embedder.embed(PHOTOS * 17)  # more than one batch
    assert together.shape == (68, 64)
    assert together[:4] == pytest.approx(together[-4:], abs=1e-5)
    assert embedder.embed(PHOTOS[2:3]) == pytest.approx(together[2:3], abs=1e-5)
    assert embedder.embed([]).shape == (0, 64)


SEEING = {
    "onnxruntime fp32": lambda graph: load_onnx(graph, threads=1, outputs=SIGHT),
    "openvino fp32": lambda graph: load_openvino(graph, threads=1, precision="fp32", outputs=SIGHT),
    "openvino bf16": lambda graph: load_openvino(graph, threads=1, precision="bf16", outputs=SIGHT),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=needs_bf16) if "bf16" in n else n for n in SEEING]
)
def test_every_runtime_sees_the_tokens_and_the_attention_that_pytorch_sees(
    name: str, model: Path, graph: Path
):
    embedder = GraphEmbedder(model, SEEING[name](graph))
    seen = embedder.see(PHOTOS)
    served = ServedModel(model).eval()
    with torch.inference_mode():
        true = served(torch.from_numpy(embedder.preprocessing.batch(PHOTOS)))
    vectors, tokens, places, shares = (output.numpy() for output in true)
    least = MIN_COSINE["bf16" if "bf16" in name else "fp32"]
    assert (seen.vectors * unit(vectors)).sum(axis=1).min() >= least
    assert (unit(seen.tokens) * unit(tokens)).sum(axis=2).min() >= least
    assert seen.places.shape == (len(PHOTOS), 4, 9)
    assert seen.places == pytest.approx(places, abs=0.02)
    assert seen.shares == pytest.approx(shares, abs=0.02)
    assert seen.places.sum(axis=2) == pytest.approx(1, abs=0.02)
    assert seen.shares.sum(axis=1) == pytest.approx(1, abs=0.02)


def test_a_token_lies_where_its_stretch_of_the_photo_lies(model: Path, graph: Path):
    seen = GraphEmbedder(model, load_onnx(graph, threads=1, outputs=SIGHT)).see(PHOTOS)
    middles = seen.places.mean(axis=0) @ np.arange(9)
    assert (np.diff(middles) > 0).all()  # the first token above, the last below


def test_a_graph_loaded_for_vectors_says_that_it_cannot_see(model: Path, graph: Path):
    with pytest.raises(BadArtifact, match=r"loaded for its vectors only.*vectors, tokens, places"):
        GraphEmbedder(model, load_onnx(graph, threads=1)).see(PHOTOS)


def test_a_graph_of_before_there_were_tokens_serves_vectors_and_says_what_it_lacks(tmp_path: Path):
    _write_graph(Means().eval(), tmp_path / GRAPH, [VECTORS], image_px=8)
    (vectors,) = load_onnx(tmp_path, threads=1)(np.ones((1, 3, 8, 8), np.float32))
    assert vectors.shape == (1, 1024)
    told = r"gives no tokens, places, shares, only vectors: .*photosearch index"
    with pytest.raises(BadArtifact, match=told):
        load_onnx(tmp_path, threads=1, outputs=SIGHT)
    with pytest.raises(BadArtifact, match=told):
        load_openvino(tmp_path, threads=1, precision="fp32", outputs=SIGHT)


def released(folder: Path) -> Release:
    return Release(
        folder, Manifest("r1", "", "", "", "exact", 64, [64], 0, 0, "", 1.0, 100, 0.9, True)
    )


def test_a_release_draws_where_its_model_looks_and_what_it_finds_alike(model: Path, graph: Path):
    assert (model.name, graph.name) == ("model", "graph")  # as in a release
    maps = draw_maps(released(model.parent), Services(), PHOTOS[0], PHOTOS[1])
    assert list(maps) == ["attention.png", "matches.png"]
    with Image.open(io.BytesIO(maps["attention.png"])) as drawn:
        assert (drawn.format, drawn.size) == ("PNG", PHOTOS[0].size)
        assert drawn.tobytes() != PHOTOS[0].tobytes()
    assert list(draw_maps(released(model.parent), Services(), PHOTOS[0], None)) == ["attention.png"]


def test_a_release_of_before_there_were_tokens_serves_vectors_and_the_log_says_so(
    model: Path, graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "model").symlink_to(model)
    shutil.copytree(graph, tmp_path / "graph")
    with np.load(graph / GOLDEN) as stored:
        assert tuple(stored["outputs"]) == SIGHT
        old = {name: stored[name] for name in ("model_id", "pixels", "vectors")}
    np.savez_compressed(tmp_path / "graph" / GOLDEN, **old)
    assert read_golden(tmp_path / "graph", model=model).outputs == (VECTORS,)
    with caplog.at_level(logging.WARNING):
        embedder = load_served_embedder(released(tmp_path), Services(), sees=True)
    assert "release r1: its graph gives no tokens and no attention" in caplog.text
    assert embedder.embed(PHOTOS).shape == (4, 64)
    with pytest.raises(BadArtifact, match="loaded for its vectors only"):
        embedder.see(PHOTOS)


def test_graph_and_torch_embedder_are_one_model_to_the_index(model: Path, graph: Path):
    served, trained = GraphEmbedder(model, load_onnx(graph, threads=1)), TorchEmbedder(model)
    assert (served.model_id, served.lengths) == (trained.model_id, trained.lengths)
    cosines = (served.embed(PHOTOS) * trained.embed(PHOTOS)).sum(axis=1)
    assert cosines.min() >= MIN_COSINE["bf16"]


def test_a_graph_tells_nothing_of_the_machine_that_made_it(graph: Path):
    content = (graph / GRAPH).read_bytes()
    for trace in (b"site-packages", b"/photosearch/", b"stack_trace", bytes(Path.cwd())):
        assert trace not in content


def test_large_weights_lie_beside_the_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "ONE_FILE_BYTES", 0)
    _write_graph(Means().eval(), tmp_path / GRAPH, [VECTORS], image_px=8)
    assert (tmp_path / f"{GRAPH}.data").stat().st_size >= 1024 * 3 * 4
    pixels = np.ones((3, 3, 8, 8), np.float32)
    (by_onnx,) = load_onnx(tmp_path, threads=1)(pixels)
    (by_openvino,) = load_openvino(tmp_path, threads=1, precision="fp32")(pixels)
    assert by_onnx.shape == by_openvino.shape == (3, 1024)
    assert by_onnx == pytest.approx(by_openvino, abs=1e-5)


class Means(torch.nn.Module):
    """The mean of each colour, weighed."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = torch.nn.Linear(3, 1024)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.weigh(pixels.mean(dim=(2, 3)))


def test_damaged_and_foreign_graphs_are_refused(model: Path, graph: Path, tmp_path: Path):
    with pytest.raises(BadArtifact, match=r"is not a whole graph .*photosearch index"):
        read_golden(tmp_path, model=model)
    (tmp_path / GRAPH).write_bytes(b"cut off")
    with pytest.raises(BadArtifact, match="ONNX Runtime cannot load"):
        load_onnx(tmp_path, threads=1)
    with pytest.raises(BadArtifact, match="OpenVINO cannot load"):
        load_openvino(tmp_path, threads=1, precision="fp32")
    lineage = Lineage("d1", 0)
    other = HeadShape("mean", 512, 64, [64])
    write_model(tmp_path / "other", tower=model / "tower", head=other, lineage=lineage)
    with pytest.raises(BadArtifact, match=r"was made from model \w+, .* holds \w+"):
        read_golden(graph, model=tmp_path / "other")


SERVE = """
import sys
from pathlib import Path
from PIL import Image
from photosearch.assembly_serving import load_served_embedder
from photosearch.release import Manifest, Release
from photosearch.settings import Services
import bentos.encoder, bentos.search
try:
    import torch
    sys.exit("torch can be imported: this test shows nothing")
except ImportError:
    pass
manifest = Manifest("r1", "", "", "", "exact", 64, [64], 0, 0, "", 1.0, has_graph=True)
embedder = load_served_embedder(Release(Path(sys.argv[1]), manifest), Services())
print(embedder.embed([Image.new("RGB", (300, 200), "red")]).shape)
"""


def test_serving_embeds_a_photo_where_torch_cannot_be_imported(model: Path, graph: Path):
    assert (model.name, graph.name) == ("model", "graph")  # as in a release
    done = subprocess.run(
        [sys.executable, "-c", SERVE, str(model.parent)],
        env=os.environ | {"PYTHONPATH": str(NO_TORCH)},
        cwd=NO_TORCH.parents[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "(1, 64)\n"), done.stderr


@pytest.mark.slow
def test_a_timm_vision_transformer_becomes_a_graph_too(tmp_path: Path):
    import open_clip

    from photosearch.embedding.backbones import save_weights

    vision = {"timm_model_name": "test_vit", "timm_pool": "map", "timm_proj": "none",
              "timm_model_pretrained": False, "image_size": 160}  # fmt: skip
    config = {
        "embed_dim": 64,
        "vision_cfg": vision,
        "text_cfg": {"width": 64, "heads": 1, "layers": 1},
    }
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
                  "resize_mode": "squash"}  # fmt: skip
    tower = tmp_path / "tower"
    tower.mkdir()
    told = {"model_cfg": config, "preprocess_cfg": preprocess}
    (tower / "open_clip_config.json").write_text(json.dumps(told))
    torch.manual_seed(3)
    save_weights(open_clip.CLIP(**config), tower)
    head = HeadShape("mean", 64, 64, [64, 32])
    write_model(tmp_path / "model", tower=tower, head=head, lineage=Lineage("d1", 0))
    report = export_graph(tmp_path / "model", tmp_path / "graph", drawn_photos(5))
    assert report.min_cosine >= MIN_COSINE["fp32"]
