"""A video gives frames as photos: one a scene, or one a while."""

from pathlib import Path

import numpy as np
import pytest

from photosearch.assembly import open_source
from photosearch.catalog.pull import pull
from photosearch.catalog.video import VideoSource
from photosearch.errors import BadSource, MissingPhoto
from photosearch.home import Home

FRAMES_A_S = 10
SCENES = ((200, 30, 30), (30, 30, 200), (230, 230, 60))
"""Colours; each is shown for two seconds, with a square that moves."""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import av

    path = tmp_path_factory.mktemp("video") / "turn/table.mp4"
    path.parent.mkdir()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES_A_S)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(2 * FRAMES_A_S * len(SCENES)):
            pixels = np.full((64, 96, 3), SCENES[number // (2 * FRAMES_A_S)], np.uint8)
            pixels[20:30, number : number + 10] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def images_of(source: VideoSource) -> list[str]:
    (card,) = source.cards()
    return card["images"]


def test_one_frame_a_scene(video: Path):
    assert images_of(VideoSource(video)) == ["0.000.jpg", "2.000.jpg", "4.000.jpg"]


def test_one_frame_a_second(video: Path):
    assert images_of(VideoSource(video, every_s=1)) == [f"{second}.000.jpg" for second in range(6)]


def test_frames_are_pulled_as_photos_of_one_card(video: Path, tmp_path: Path):
    home = Home(tmp_path / "home")
    report = pull(VideoSource(video), home)
    assert (report.source, report.cards, report.photos) == ("video table.mp4", 1, 3)
    assert pull(VideoSource(video), home).new_images == 0


def test_too_many_frames_say_how_to_take_fewer(video: Path):
    with pytest.raises(BadSource, match=r"more than 100 frames .*PHOTOSEARCH_SOURCE_EVERY_S to"):
        images_of(VideoSource(_longer(video), every_s=0.01))


def _longer(video: Path) -> Path:
    """The same at 20 times the frame rate would have; here simply twelve seconds of noise."""
    import av

    path = video.with_name("long.mp4")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FRAMES_A_S)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(120):
            pixels = np.full((32, 32, 3), number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_what_is_no_video_says_so(video: Path, tmp_path: Path):
    (tmp_path / "text.mp4").write_text("not a video at all")
    with pytest.raises(BadSource, match=r"text\.mp4 is not a readable video"):
        images_of(VideoSource(tmp_path / "text.mp4"))
    with pytest.raises(BadSource, match=r"none\.mp4 is not a file"):
        VideoSource(tmp_path / "none.mp4")
    with pytest.raises(BadSource, match=r"A frame each 0 s cannot be taken"):
        VideoSource(video, every_s=0)
    with pytest.raises(MissingPhoto, match=r"\.\./x is no frame"):
        VideoSource(video).read_image("../x")


def test_a_video_is_told_by_its_address(video: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PHOTOSEARCH_SOURCE_EVERY_S", "3")
    source = open_source(str(video))
    assert isinstance(source, VideoSource)
    assert images_of(source) == ["0.000.jpg", "3.000.jpg"]
