"""One table of cards in three formats tells the same, wherever the images are."""

import csv
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_source import Shop, card, open_shop, picture, review

from photosearch.assembly import open_source
from photosearch.catalog.manifest import ManifestSource
from photosearch.catalog.pull import pull
from photosearch.catalog.source_rows import BadRow
from photosearch.catalog.sources import read_cards
from photosearch.errors import BadSource, MissingPhoto, OutsidePhoto
from photosearch.home import Home

CARDS = [
    card("a", "a.jpg", "b.jpg", price=9.5, category=["Home", "Mugs"], attributes={"Colour": "red"}),
    card("c", "deep/c.jpg", rating=4.5, n_reviews=2, seller="S"),
]
REVIEWS = [review("1", "a", "r.jpg", rating=5, text='So "red", and\nround')]
FORMATS = ["jsonl", "csv", "parquet"]


def write_table(path: Path, rows: list[dict]) -> None:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        case ".csv":
            columns = list(dict.fromkeys(name for row in rows for name in row))
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                for row in rows:
                    joined = {n: "|".join(v) for n, v in row.items() if isinstance(v, list)}
                    objects = {n: json.dumps(v) for n, v in row.items() if isinstance(v, dict)}
                    writer.writerow(row | joined | objects)
        case _:
            columns = list(dict.fromkeys(name for row in rows for name in row))
            whole = [{name: row.get(name) for name in columns} for row in rows]
            pq.write_table(pa.Table.from_pylist(whole), path)


def write_shop(folder: Path, kind: str) -> str:
    """Cards, reviews and photos in a folder; gives the address of the manifest."""
    (folder / "deep").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "deep/c", "r")):
        (folder / f"{name}.jpg").write_bytes(picture(number))
    write_table(folder / f"cards.{kind}", CARDS)
    write_table(folder / f"reviews.{kind}", REVIEWS)
    return str(folder / f"cards.{kind}")


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_tells_the_same_snapshot(tmp_path: Path, kind: str):
    address = write_shop(tmp_path / "shop", kind)
    report = pull(ManifestSource(address), Home(tmp_path / "home"))
    assert (report.cards, report.photos, report.reviews, report.rejected) == (2, 4, 1, {})
    write_shop(tmp_path / "twin", "jsonl")
    twin = pull(ManifestSource(str(tmp_path / "twin" / "cards.jsonl")), Home(tmp_path / "other"))
    assert report.data_version == twin.data_version


def copy_to_memory(folder: Path, name: str) -> str:
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), f"/{name}", recursive=True)
    return f"memory://{name}"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_manifest_and_its_images_may_be_in_an_object_store(tmp_path: Path, kind: str):
    write_shop(tmp_path / "shop", kind)
    place = copy_to_memory(tmp_path / "shop", f"bucket-{kind}")
    source = ManifestSource(f"{place}/cards.{kind}")
    first = pull(source, Home(tmp_path / "home"))
    assert (first.photos, first.new_images, first.rejected) == (4, 4, {})
    assert pull(source, Home(tmp_path / "home")).new_images == 0
    read = source.read_image("a.jpg")
    assert source.read_image("a.jpg", known_mark=read.mark) is None
    for address in ("../x/a.jpg", "/a.jpg", "memory://elsewhere/a.jpg", "a::b.jpg"):
        with pytest.raises(OutsidePhoto, match=r"is not a path inside memory|is in no folder of"):
            source.read_image(address)
    with pytest.raises(MissingPhoto, match=r"none\.jpg cannot be had from memory://bucket"):
        source.read_image("none.jpg")


def test_images_of_another_store_must_be_allowed_by_name(tmp_path: Path):
    write_shop(tmp_path / "shop", "jsonl")
    place = copy_to_memory(tmp_path / "shop", "photos")
    manifest = str(tmp_path / "shop" / "cards.jsonl")
    with pytest.raises(OutsidePhoto, match=r"add SCHEME://FOLDER to PHOTOSEARCH_SOURCE_HOSTS"):
        ManifestSource(manifest).read_image(f"{place}/a.jpg")
    source = ManifestSource(manifest, allowed_hosts=(place,))
    assert source.read_image(f"{place}/a.jpg").content == picture(0)
    with pytest.raises(OutsidePhoto, match=r"is not a path inside memory://photos"):
        source.read_image(f"{place}/../other/a.jpg")
    with pytest.raises(OutsidePhoto, match=r"is in no folder of the source"):
        source.read_image(f"{place}-other/a.jpg")
    with pytest.raises(OutsidePhoto, match=r"is in no folder of the source"):
        source.read_image("file:///etc/passwd")


def test_the_folder_of_images_may_be_elsewhere(tmp_path: Path):
    write_shop(tmp_path / "shop", "csv")
    place = copy_to_memory(tmp_path / "shop", "far")
    (tmp_path / "lists").mkdir()
    manifest = str(tmp_path / "lists" / "cards.csv")
    write_table(Path(manifest), CARDS)
    source = ManifestSource(manifest, images=place)
    assert source.read_image("deep/c.jpg").content == picture(2)
    assert not source.is_near


@contextmanager
def folder_over_http(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_manifest_over_http_gives_the_same(tmp_path: Path, kind: str):
    write_shop(tmp_path / "shop", kind)
    with folder_over_http(tmp_path / "shop") as address:
        source = ManifestSource(f"{address}/cards.{kind}")
        report = pull(source, Home(tmp_path / "home"))
        with pytest.raises(OutsidePhoto, match="is not a path inside http"):
            source.read_image("../a.jpg")
    assert (report.photos, report.rejected) == (4, {})


def test_http_images_of_a_local_manifest_are_open_ones_or_allowed(tmp_path: Path):
    manifest = write_shop(tmp_path / "shop", "jsonl")
    with open_shop() as shop:
        assert isinstance(shop, Shop)
        shop.serve("/a.jpg", picture(7))
        with pytest.raises(OutsidePhoto, match="which is not open to all"):
            ManifestSource(manifest).read_image(f"{shop.url}/a.jpg")
        source = ManifestSource(manifest, allowed_hosts=(shop.url[7:],))
        assert source.read_image(f"{shop.url}/a.jpg").content == picture(7)


def test_bad_cells_are_rejected_by_line(tmp_path: Path):
    path = tmp_path / "cards.csv"
    path.write_text('card_id,title,images\na,A,a.jpg\nb,B,"[1"\nc,C,c.jpg,more\nd,D,\n')
    found = list(read_cards(ManifestSource(str(path))))
    assert found[1:] == [
        BadRow("cards.csv line 3", "bad_images"),
        BadRow("cards.csv line 4", "too_many_cells"),
        BadRow("d", "missing_images", key="d"),
    ]


def test_what_is_no_manifest_says_so(tmp_path: Path):
    for content, kind in ((b"PAR1 not", "parquet"), (b"\xff\xfe\xff", "csv")):
        (tmp_path / f"cards.{kind}").write_bytes(content)
        with pytest.raises(BadSource, match=rf"cards\.{kind} cannot be read"):
            list(ManifestSource(str(tmp_path / f"cards.{kind}")).cards())
    with pytest.raises(BadSource, match=r"none\.csv does not exist"):
        ManifestSource(str(tmp_path / "none.csv"))
    with pytest.raises(BadSource, match=r"is no manifest\. Name a file"):
        ManifestSource("simplecache::http://10.0.0.1/cards.csv")


def test_a_source_is_told_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    manifest = write_shop(tmp_path / "shop", "parquet")
    assert open_source(manifest).name == "manifest shop/cards.parquet"
    with open_shop() as shop:
        shop.serve("/a.jpg", picture(7))
        monkeypatch.setenv("PHOTOSEARCH_SOURCE_HOSTS", f"media.local, {shop.url[7:]}")
        assert open_source(manifest).read_image(f"{shop.url}/a.jpg").content == picture(7)
        assert open_source(shop.url).name == f"marketplace {shop.url}"
