"""Whole releases over a shop of five painted cards, and the two services that serve them."""

import dataclasses
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
import torch
from PIL import Image
from processes import ROOT, free_port
from safetensors.torch import save_file
from small_shop import open_shop

from flows.package import serve_command
from photosearch.assembly import load_embedder
from photosearch.assembly_index import index_engine
from photosearch.assembly_perception import seeing_of
from photosearch.catalog import images
from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows, write_table
from photosearch.embedding.backbones import OpenClipTower, new_small_tower, save_weights
from photosearch.embedding.catalog_tokens import attention_head, reduced
from photosearch.embedding.embedder import Vectors
from photosearch.embedding.export import export_graph
from photosearch.embedding.head import build_head
from photosearch.embedding.model import TOWER, HeadShape, Lineage, write_model
from photosearch.embedding.short_tokens import (
    Projection,
    ProjectionManifest,
    discriminant_layer,
)
from photosearch.embedding.tower import WEIGHTS
from photosearch.environment import quiet_environment
from photosearch.home import Home
from photosearch.index.filters import Listing
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.release import Release, open_release, seal
from photosearch.search.photo_tokens import FOLDER, TokensManifest, write_photo_tokens
from photosearch.search.seeing import write_seeing
from photosearch.settings import Services

DIM = 64
DETECTOR = DetectorParams(
    model="ours", file="", classes="", confidence_min=0.3, overlap_max=0.6, masks=False, threads=1
)
OCR = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)
READY_WITHIN_S = 120


@dataclass(frozen=True)
class RealShop:
    """A release, and what further ones of the same model are made of."""

    release: Release
    photos: list[CuratedPhoto]
    vectors: Vectors
    """Of the photos."""


def open_real_shop(folder: Path, *, image_px: int = 64, sees: bool = False) -> RealShop:
    """A whole release `r1`; its tower is real but untrained, so equal photos meet.

    With `sees` it has an attention head, as untrained, and its searches compare tokens.
    """
    torch.manual_seed(image_px)
    shop = open_shop(folder)
    tower = folder / "tower"
    save_weights(new_small_tower(tower, image_px), tower)
    head = HeadShape("mean", tower_width=OpenClipTower(tower).width, out=DIM, lengths=[DIM])
    weights = None
    if sees:
        head = replace(head, kind="attention", width=32, tokens=4, heads=2)
        weights = folder / "head.safetensors"
        save_file(build_head(head).state_dict(), weights)
    model_id = write_model(
        shop.release.model, tower=tower, head=head,
        lineage=Lineage(data_version="d1", n_labels=0), head_weights=weights,
    ).model_id  # fmt: skip
    pictures = [images.load(shop.images_dir, photo.sha256) for photo in shop.photos]
    vectors = load_embedder(shop.release.model).embed(pictures)
    export_graph(shop.release.model, shop.release.graph, pictures)
    seeing, detector = seeing_of(DETECTOR, OCR, Home(folder))
    write_seeing(shop.release.folder, seeing, graph=detector)
    if sees:
        write_tokens(shop.release, shop.photos, pictures, model_id=model_id)
    (tower / WEIGHTS).unlink()
    (shop.release.model / TOWER / WEIGHTS).unlink()  # as a bento carries it
    manifest = dataclasses.replace(
        shop.release.manifest,
        model_id=model_id,
        index_kind="qdrant_edge",
        lengths=[DIM],
        has_graph=True,
    )
    seal(shop.release.folder, manifest)
    whole = RealShop(open_release(shop.release.folder), shop.photos, vectors)
    fill_index(whole, whole.release, mark="")
    return whole


def write_tokens(
    release: Release, photos: list[CuratedPhoto], pictures: list[Image.Image], *, model_id: str
) -> None:
    """Adds the short tokens of the photos; they weigh so much that the order tells of them."""
    model = release.model
    tokens = reduced(attention_head(model), OpenClipTower(model / TOWER).tokens(pictures))
    row_of = {photo.photo_id: row for row, photo in enumerate(photos)}
    products = [sorted({p.card_id for p in photos}).index(p.card_id) for p in photos]
    layer = discriminant_layer(tokens, products, dim=8, shrinkage=0.5)
    write_photo_tokens(
        release.folder / FOLDER, photos,
        lambda some: tokens[[row_of[photo.photo_id] for photo in some]],
        projection=Projection(ProjectionManifest(model_id, "discriminant"), layer),
        manifest=TokensManifest(model_id, len(photos), cards=3, weight=0.8),
    )  # fmt: skip


def fill_index(shop: RealShop, release: Release, *, mark: str) -> None:
    """Makes the index of a release and the table of its photos, to whose ids `mark` is added."""
    manifest = release.manifest
    photos = [replace(photo, photo_id=photo.photo_id + mark) for photo in shop.photos]
    write_table(release.photos, CuratedPhoto, photos)
    index = index_engine(Services(), "int8").create(
        release.index, manifest.release, DIM, manifest.model_id
    )
    listings = [Listing(photo.card_id) for photo in photos]
    index.add([photo.photo_id for photo in photos], listings, shop.vectors)
    index.close()


def another_release(shop: RealShop, folder: Path, *, price: float) -> Release:
    """A release of the same model whose every part tells its name, which is that of the folder.

    All cards cost `price`, and the ids of photos in the index end with `@NAME`.
    """
    folder.mkdir(parents=True)
    for part in ("model", "graph", "seeing", "thumbnails", "thumbnails.parquet"):
        (folder / part).symlink_to(shop.release.folder / part)
    cards = read_rows(shop.release.cards, Card)
    cards = [dataclasses.replace(card, price=price) for card in cards]
    write_table(folder / "cards.parquet", Card, cards)
    named = {"release": folder.name, "index_id": f"i-{folder.name}"}
    made = Release(folder, dataclasses.replace(shop.release.manifest, **named))
    fill_index(shop, made, mark=f"@{folder.name}")
    seal(folder, made.manifest)
    return made


@dataclass(frozen=True)
class Service:
    api: httpx.Client
    process: subprocess.Popen[bytes]
    log: Path

    def workers(self, name: str) -> list[int]:
        """Process ids of the service `name`."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [
            int(pid)
            for pid in children.split()
            if f"--service-name\0{name}\0" in Path(f"/proc/{pid}/cmdline").read_text()
        ]

    def open_copies(self) -> set[str]:
        """Private copies of indexes that processes of the search process have open."""
        (searching,) = self.workers("search")
        of_threads = [
            file.read_text() for file in Path(f"/proc/{searching}/task").glob("*/children")
        ]
        maps = [Path(f"/proc/{pid}/maps").read_text() for one in of_threads for pid in one.split()]
        return {copy for one in maps for copy in re.findall(r"/photosearch-\w+", one)}


@contextmanager
def real_service(folder: Path, **environment: str) -> Iterator[Service]:
    """The two services as processes, where torch cannot be imported; stopped at the end."""
    port = free_port()
    environment = {
        **quiet_environment(),
        "BENTOML_HOME": str(folder),
        "PHOTOSEARCH_ENCODER_THREADS": "1",
        "PHOTOSEARCH_DEADLINE_S": "60",  # a busy machine may take longer than shoppers would
        "PYTHONPATH": str(ROOT / "tests" / "no_torch"),  # in every process of the service
        **environment,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            serve_command("bentos.search:Search", port),
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as api:
        try:
            _wait_until_ready(api, process, folder / "log")
            yield Service(api, process, folder / "log")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait_until_ready(api: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if api.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the service did not become ready:\n{log.read_text()[-3000:]}")
