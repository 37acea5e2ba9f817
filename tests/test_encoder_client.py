"""What the service asks its encoder, and which release both serve."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_shop import ColourEmbedder, colour, open_shop, painted

from bentos.encoder_client import Asked, Encoded, RemoteEmbedder
from bentos.served import followed_releases, served_release
from photosearch.embedding.preprocess import Preprocessing
from photosearch.errors import EncoderUnavailable, ForeignIndex, HomeNotReady
from photosearch.release import switch_live
from photosearch.search.query import Embedded
from photosearch.settings import Services

PREPROCESSING = Preprocessing(image_px=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def remote(encode) -> RemoteEmbedder:
    return RemoteEmbedder(
        "colours", (64, 16), release="r1", preprocessing=PREPROCESSING, encode=encode
    )


def encode_here(photos: list[Asked]) -> list[Encoded]:
    assert {photo.release for photo in photos} == {"r1"}
    vectors = ColourEmbedder().embed([photo.as_image() for photo in photos])
    return [Encoded("colours", Embedded(vector)) for vector in vectors]


def test_a_remote_embedder_gives_what_the_encoder_gives():
    photos = [painted(colour("red")), painted(colour("blue"), size=(50, 400))]
    vectors = remote(encode_here).embed(photos)
    np.testing.assert_array_equal(vectors, ColourEmbedder().embed(photos))
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("tokens", [None, np.arange(6, dtype=np.float16).reshape(3, 2)])
def test_what_was_made_of_a_photo_is_the_same_at_the_other_end_of_a_line(tokens):
    vector = np.linspace(-1, 1, 7, dtype=np.float32)
    there = pickle.loads(pickle.dumps(Encoded("colours", Embedded(vector, tokens))))
    assert there.model_id == "colours"
    np.testing.assert_array_equal(there.made.vector, vector)
    np.testing.assert_array_equal(there.made.tokens, tokens)


def test_pixels_sent_to_the_encoder_are_not_changed_by_its_own_resize():
    photo = painted(colour("red"), colour("green"), colour("blue"), size=(777, 333))
    sent = PREPROCESSING.pixels(photo)
    np.testing.assert_array_equal(PREPROCESSING.pixels(Image.fromarray(sent)), sent)


def test_an_encoder_that_fails_is_unavailable(caplog: pytest.LogCaptureFixture):
    def away(_: list[Asked]) -> list[Encoded]:
        raise ConnectionResetError("gone")

    with pytest.raises(EncoderUnavailable, match="does not answer or has too much to do"):
        remote(away).embed([painted(colour("red"))])
    assert "ConnectionResetError: gone" in caplog.text


def test_a_vector_of_another_model_is_refused():
    def other(photos: list[Asked]) -> list[Encoded]:
        return [replace(one, model_id="shapes") for one in encode_here(photos)]

    with pytest.raises(ForeignIndex, match="made by model colours, the query by shapes"):
        remote(other).embed([painted(colour("red"))])


def test_the_named_release_comes_before_the_packed_one_and_that_before_the_live_one(
    tmp_path: Path,
):
    named, packed, home = (open_shop(tmp_path / name).release.folder for name in "abc")
    live = tmp_path / "home" / "releases" / "r1"
    live.parent.mkdir(parents=True)
    home.rename(live)
    switch_live(live.parent, "r1")
    services = Services(release=named, home=tmp_path / "home")
    assert served_release(services, bundled=packed).folder == named
    assert followed_releases(services, bundled=tmp_path / "none") is None
    services = Services(home=tmp_path / "home")
    assert served_release(services, bundled=packed).folder == packed
    assert followed_releases(services, bundled=packed) is None
    assert served_release(services, bundled=tmp_path / "none").folder == live
    assert followed_releases(services, bundled=tmp_path / "none") == live.parent


def test_without_any_release_the_service_says_how_to_get_one(tmp_path: Path):
    with pytest.raises(HomeNotReady, match="Set PHOTOSEARCH_RELEASE to a release folder"):
        served_release(Services(), bundled=tmp_path)
