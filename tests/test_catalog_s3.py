"""A catalogue in an S3 store: the server speaks S3 over HTTP, on this machine."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from processes import free_port
from test_catalog_manifest import write_shop

from photosearch.assembly import open_source
from photosearch.catalog import images
from photosearch.catalog.pull import pull
from photosearch.catalog.schemas import Photo
from photosearch.catalog.tables import read_rows
from photosearch.errors import BadSource
from photosearch.home import Home

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of botocore and flask


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket that holds a shop, and the environment that leads there."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    fsspec.filesystem("s3").clear_instance_cache()
    write_shop(tmp_path / "shop", "parquet")
    store = fsspec.filesystem("s3")
    name = f"photos-{port}"
    store.mkdir(name)
    store.put(str(tmp_path / "shop"), f"{name}/shop", recursive=True)
    try:
        yield f"s3://{name}/shop"
    finally:
        fsspec.filesystem("s3").clear_instance_cache()
        server.stop()


def test_a_table_and_its_images_are_pulled_from_s3(bucket: str, tmp_path: Path):
    home, near = Home(tmp_path / "home"), Home(tmp_path / "near")
    report = pull(open_source(f"{bucket}/cards.parquet"), home)
    assert (report.cards, report.photos, report.reviews, report.rejected) == (2, 4, 1, {})
    twin = pull(open_source(str(tmp_path / "shop" / "cards.parquet")), near)
    assert report.data_version == twin.data_version
    for photo in read_rows(home.catalog / "photos.parquet", Photo):
        assert images.path_of(home.images, photo.sha256).exists()


def test_a_table_that_is_not_in_the_bucket_is_named(bucket: str):
    with pytest.raises(BadSource, match=rf"{bucket}/none\.csv does not exist"):
        open_source(f"{bucket}/none.csv")
