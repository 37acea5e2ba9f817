"""The three services as real processes over a real release, where torch cannot be imported."""

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from real_release import DIM, READY_WITHIN_S, Service, open_real_shop, real_service
from small_shop import colour, jpeg, labelled, painted
from test_api_docs import ADDRESS, CURLS, PROBES

from photosearch.release import Release
from photosearch.search.schemas import BatchResponse, ReadArticles, SearchResponse

pytestmark = pytest.mark.slow

N_CLIENTS, N_SEARCHES = 8, 320
DEADLINE_S = 20


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return open_real_shop(tmp_path_factory.mktemp("real")).release


@pytest.fixture(scope="module")
def service(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("bentoml")
    where = {"PHOTOSEARCH_RELEASE": str(release.folder)}
    with real_service(folder, **where, PHOTOSEARCH_DEADLINE_S=str(DEADLINE_S)) as started:
        yield started


def search(service: Service, photo: bytes, **parts: str) -> httpx.Response:
    files = {"photo": ("photo.jpg", photo)}
    return service.api.post("/v1/search", files=files, data=parts)


@pytest.mark.parametrize("card_id", ["red", "blue", "violet"])
def test_a_photo_finds_its_card(service: Service, release: Release, card_id: str):
    response = search(service, jpeg(painted(colour(card_id))))
    answer = SearchResponse.model_validate(response.json())
    assert answer.cards[0].card.card_id == card_id
    assert answer.cards[0].cosine == pytest.approx(1, abs=0.01)
    assert answer.release.model_id == release.manifest.model_id
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


def is_reading(service: Service, query_id: str) -> bool:
    return service.api.get(f"/v1/queries/{query_id}/articles").status_code == 202


def wait_until_ready(service: Service) -> None:
    """Until a part that was killed has come back."""
    until = time.monotonic() + READY_WITHIN_S
    while service.api.get("/readyz").status_code != 200 and time.monotonic() < until:
        time.sleep(0.5)
    assert service.api.get("/readyz").status_code == 200


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
    wait_until_ready(service)


def test_a_reading_stands_still_while_others_search_and_is_read_to_its_end(service: Service):
    def is_stopped() -> bool:
        return Path(f"/proc/{reading}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    (reading,) = below(service.workers("reader")[0])
    plain, seen = jpeg(painted(colour("green"))), list[bool]()
    for number in range(10, 40):  # a reading may be over before the next search comes
        answer = SearchResponse.model_validate(search(service, label(f"KR-49{number}")).json())
        with ThreadPoolExecutor(1) as threads:
            while not any(seen) and is_reading(service, answer.query_id):
                time.sleep(0.55)  # so long nobody searches before a photo is read
                searching = threads.submit(search, service, plain)
                while not searching.done():
                    seen.append(is_stopped())
        assert read_articles(service, answer.query_id).state == "read"
        if any(seen):
            break
    assert any(seen)
    assert not is_stopped()


def below(pid: int) -> list[int]:
    """Processes that a process started."""
    told = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(child) for one in told for child in one.split()]


def test_errors_are_problems_behind_bentoml_too(service: Service):
    response = search(service, b"dear diary")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert "'photo.jpg' is not a JPEG, PNG or WebP image" in response.json()["detail"]
    assert search(service, b"x", box="1,2").status_code == 400
    assert service.api.get("/nowhere").headers["content-type"] == "application/problem+json"


def test_a_content_type_of_no_known_letters_gets_its_answer(service: Service):
    headers = {"Content-Type": b"multipart/form-data; boundary=\xe9"}
    response = service.api.post("/v1/search", content=b"x", headers=headers)
    assert response.status_code == 400
    assert "The form cannot be read" in response.json()["detail"]


def test_page_release_and_health_are_served(service: Service):
    assert "<title>Photosearch</title>" in service.api.get("/").text
    assert service.api.get("/v1/release").json()["index_kind"] == "qdrant_edge"
    for path in ("/healthz", "/livez"):
        assert service.api.get(path).status_code == 200
    wait_until_ready(service)


def test_probes_answer_the_curl_lines_of_the_docs(service: Service):
    lines = [line for line in CURLS if line.endswith(PROBES)]
    assert len(lines) == len(PROBES)
    for line in lines:
        here = line.replace(ADDRESS, str(service.api.base_url).rstrip("/"))
        command = ["curl", "--silent", "--show-error", "--fail", *shlex.split(here)[1:]]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, b"\n"), done.stderr.decode()


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


def test_many_searches_at_once_are_all_answered(service: Service):
    photos = {card_id: jpeg(painted(colour(card_id))) for card_id in ("red", "green", "blue")}

    def first_card(number: int) -> tuple[str, str]:
        wanted = list(photos)[number % len(photos)]
        response = search(service, photos[wanted], limit="1")
        assert response.status_code == 200, response.text
        return wanted, response.json()["cards"][0]["card"]["card_id"]

    with ThreadPoolExecutor(N_CLIENTS) as clients:
        answers = list(clients.map(first_card, range(N_SEARCHES)))
    assert [wanted for wanted, _ in answers] == [found for _, found in answers]


def test_photos_of_a_batch_are_embedded_together(service: Service):
    photos = [jpeg(painted(colour(card_id))) for card_id in ("red", "green", "blue", "violet")]
    files = [("photo", ("a.jpg", photo)) for photo in photos] * 2
    service.api.post("/v1/search/batch", files=files)  # warm
    before = batches(service)
    response = service.api.post("/v1/search/batch", files=files, data={"limit": "1"})
    answers = BatchResponse.model_validate(response.json()).answers
    found = [one.answer.cards[0].card.card_id for one in answers if one.answer is not None]
    assert found == ["red", "green", "blue", "violet"] * 2
    assert batches(service) - before < len(files)


def test_metrics_of_all_processes_are_told_and_none_by_path(service: Service):
    service.api.get("/v1/cards/a-card-of-no-release")
    search(service, jpeg(painted(colour("red"))))
    text = service.api.get("/metrics").text
    counts = dict(
        re.findall(r"^(\w+_total\{.*\}|photosearch_\w+_count\{.*\}) ([\d.]+)$", text, re.M)
    )
    assert float(counts['photosearch_problems_total{kind="UnknownCard",status="404"}']) == 1
    assert float(counts['photosearch_stage_seconds_count{call="search",stage="embed"}']) > 0
    assert "photosearch_encoder_batch_photos_bucket" in text
    assert "a-card-of-no-release" not in text


def batches(service: Service) -> int:
    """How often the encoder has run its model."""
    metrics = service.api.get("/metrics").text
    counts = re.findall(r"encoder_batch_photos_count ([\d.]+)", metrics)
    return int(sum(map(float, counts)))


def test_an_encoder_that_hangs_is_503_within_the_deadline(service: Service):
    (encoding,) = service.workers("encoder")
    os.kill(encoding, signal.SIGSTOP)
    try:
        began = time.monotonic()
        response = search(service, jpeg(painted(colour("red"))))
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert time.monotonic() - began < DEADLINE_S + 10
        assert service.api.get("/v1/cards/red").status_code == 200
        response = service.api.get("/readyz")
        assert response.status_code == 503
        assert response.headers["content-type"].startswith("text/plain")
    finally:
        os.kill(encoding, signal.SIGCONT)


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
