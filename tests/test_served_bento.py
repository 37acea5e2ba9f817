"""The three services as real processes over a real release, where torch cannot be imported."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from small_shop import colour, jpeg, labelled, open_shop, painted

from photosearch.assembly_perception import seeing_of
from photosearch.catalog import images
from photosearch.embedding.model import TOWER
from photosearch.embedding.tower import WEIGHTS
from photosearch.home import Home
from photosearch.perception_settings import DetectorParams, OcrParams
from photosearch.release import Release, open_release, seal
from photosearch.search.schemas import ReadArticles, SearchResponse
from photosearch.search.seeing import write_seeing
from photosearch.settings import Services, quiet_environment

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
READY_WITHIN_S = 120
DIM = 64
N_CLIENTS, N_SEARCHES = 8, 320
DETECTOR = DetectorParams(
    model="ours", file="", classes="", confidence_min=0.3, overlap_max=0.6, masks=False, threads=1
)
OCR = OcrParams(reader="rapidocr", side_px=640, confidence_min=0.5, threads=1)


@dataclass(frozen=True)
class Service:
    api: httpx.Client
    release: Release
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


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A whole release of five cards; its tower is real but untrained, so equal photos meet."""
    from photosearch.assembly import index_engine, load_embedder
    from photosearch.embedding.backbones import OpenClipTower, new_small_tower, save_weights
    from photosearch.embedding.export import export_graph
    from photosearch.embedding.model import HeadShape, Lineage, write_model

    folder = tmp_path_factory.mktemp("real")
    shop = open_shop(folder)
    tower = folder / "tower"
    save_weights(new_small_tower(tower, 64), tower)
    head = HeadShape("mean", tower_width=OpenClipTower(tower).width, out=DIM, lengths=[DIM])
    lineage = Lineage(data_version="d1", n_labels=0)
    model_id = write_model(shop.release.model, tower=tower, head=head, lineage=lineage).model_id
    pictures = [images.load(shop.images_dir, photo.sha256) for photo in shop.photos]
    vectors = load_embedder(shop.release.model).embed(pictures)
    export_graph(shop.release.model, shop.release.graph, pictures)
    seeing, detector = seeing_of(DETECTOR, OCR, Home(folder))
    write_seeing(shop.release.folder, seeing, graph=detector)
    (tower / WEIGHTS).unlink()
    (shop.release.model / TOWER / WEIGHTS).unlink()  # as a bento carries it
    index = index_engine(Services()).create(shop.release.index, "r1", DIM, model_id)
    photo_ids = [photo.photo_id for photo in shop.photos]
    index.add(photo_ids, [photo.card_id for photo in shop.photos], vectors)
    index.close()
    seal(
        shop.release.folder,
        dataclasses.replace(
            shop.release.manifest,
            model_id=model_id,
            index_kind="qdrant_edge",
            lengths=[DIM],
            has_graph=True,
        ),
    )
    return open_release(shop.release.folder)


@pytest.fixture(scope="module")
def service(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bentoml")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = quiet_environment() | {
        "PHOTOSEARCH_RELEASE": str(release.folder),
        "BENTOML_HOME": str(folder),
        "PHOTOSEARCH_ENCODER_THREADS": "1",
        "PYTHONPATH": str(ROOT / "tests" / "no_torch"),  # in every process of the service
    }
    command = [sys.executable, "-m", "bentoml", "serve", "bentos.search:Search"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as api:
        try:
            wait_until_ready(api, process, folder / "log")
            yield Service(api, release, process, folder / "log")
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def wait_until_ready(api: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if api.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the service did not become ready:\n{log.read_text()[-3000:]}")


def search(service: Service, photo: bytes, **parts: str) -> httpx.Response:
    files = {"photo": ("photo.jpg", photo)}
    return service.api.post("/v1/search", files=files, data=parts)


@pytest.mark.parametrize("card_id", ["red", "blue", "violet"])
def test_a_photo_finds_its_card(service: Service, card_id: str):
    response = search(service, jpeg(painted(colour(card_id))))
    answer = SearchResponse.model_validate(response.json())
    assert answer.cards[0].card.card_id == card_id
    assert answer.cards[0].cosine == pytest.approx(1, abs=0.01)
    assert answer.release.model_id == service.release.manifest.model_id
    assert answer.length == DIM


def read_articles(service: Service, query_id: str) -> ReadArticles:
    """What is read in the end."""
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        response = service.api.get(f"/v1/queries/{query_id}/articles")
        if response.status_code == 200:
            return ReadArticles.model_validate(response.json())
        assert (response.status_code, response.headers["retry-after"]) == (202, "1")
        time.sleep(0.2)
    raise AssertionError(f"still reading after {READY_WITHIN_S} s")


def label(article: str) -> bytes:
    """A red photo with a label on it."""
    return jpeg(labelled(painted(colour("red"), size=(640, 480)), article, left=200, top=150))


def test_an_article_on_the_photo_is_read_beside_the_search(service: Service):
    answer = SearchResponse.model_validate(search(service, label("KR-4824")).json())
    assert "objects" in answer.took_ms
    assert answer.articles.state in {"reading", "read"}
    read = read_articles(service, answer.query_id)
    assert read.state == "read"
    assert [card.card_id for card in read.cards] == ["violet"]
    assert read.release == answer.release


def test_things_on_a_photo_come_from_the_encoders_process(service: Service):
    files = {"photo": ("photo.jpg", jpeg(painted(colour("red"))))}
    response = service.api.post("/v1/detect", files=files)
    assert response.status_code == 200
    assert response.json()["took_ms"]["objects"] > 0


def test_a_reader_that_dies_costs_only_the_words(service: Service):
    (reading,) = service.workers("reader")
    os.kill(reading, signal.SIGKILL)
    answer = SearchResponse.model_validate(search(service, label("KR-4823")).json())
    assert answer.cards[0].card.card_id == "red"
    assert read_articles(service, answer.query_id).state in {"failed", "read"}


def test_errors_are_problems_behind_bentoml_too(service: Service):
    response = search(service, b"dear diary")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert "'photo.jpg' is not a JPEG, PNG or WebP image" in response.json()["detail"]
    assert search(service, b"x", box="1,2").status_code == 400
    assert service.api.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_page_release_and_health_are_served(service: Service):
    assert "<title>Photosearch</title>" in service.api.get("/").text
    assert service.api.get("/v1/release").json()["index_kind"] == "qdrant_edge"
    for path in ("/healthz", "/livez", "/readyz"):
        assert service.api.get(path).status_code == 200


def test_no_process_of_the_service_runs_torch_and_the_log_says_what_runs(service: Service):
    def libraries(pid: int) -> str:
        return Path(f"/proc/{pid}/maps").read_text()

    (searching,), (encoding,) = service.workers("search"), service.workers("encoder")
    (reading,) = service.workers("reader")
    assert "libtorch" not in libraries(encoding) + libraries(searching) + libraries(reading)
    assert "onnxruntime" in libraries(encoding)
    assert "onnxruntime" not in libraries(searching)
    assert re.search(
        r"runtime \w+ \w+, [\d.]+ ms a photo, .*\(auto: fastest", service.log.read_text()
    )


def test_many_searches_at_once_share_batches_and_none_is_lost(service: Service):
    photos = {card_id: jpeg(painted(colour(card_id))) for card_id in ("red", "green", "blue")}

    def first_card(number: int) -> tuple[str, str]:
        wanted = list(photos)[number % len(photos)]
        response = search(service, photos[wanted], limit="1")
        assert response.status_code == 200, response.text
        return wanted, response.json()["cards"][0]["card"]["card_id"]

    before = batches(service)
    with ThreadPoolExecutor(N_CLIENTS) as clients:
        answers = list(clients.map(first_card, range(N_SEARCHES)))
    assert [wanted for wanted, _ in answers] == [found for _, found in answers]
    assert batches(service) - before < N_SEARCHES


def batches(service: Service) -> int:
    """How often the encoder has run its model."""
    metrics = service.api.get("/metrics").text
    counts = re.findall(r"adaptive_batch_size_count\{[^}]*\} ([\d.]+)", metrics)
    return int(sum(map(float, counts)))


def test_an_encoder_that_dies_comes_back_and_meanwhile_the_answer_is_503(service: Service):
    photo = jpeg(painted(colour("red")))
    (encoding,) = service.workers("encoder")
    os.kill(encoding, signal.SIGKILL)
    until = time.monotonic() + READY_WITHIN_S
    while (response := search(service, photo)).status_code != 200 and time.monotonic() < until:
        assert response.status_code == 503
        assert response.headers["retry-after"] == "5"
        time.sleep(0.5)
    assert response.json()["cards"][0]["card"]["card_id"] == "red"
