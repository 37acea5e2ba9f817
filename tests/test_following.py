"""How services change what they answer with: the parts that need no service."""

import threading
from pathlib import Path

import anyio
import pytest
from small_shop import ColourEmbedder

from bentos.current import Current, follow
from bentos.encoder_models import IN_MEMORY, EncoderModels, what_runs
from photosearch.errors import BadArtifact, HomeNotReady
from photosearch.release import Manifest, Release, open_release, seal, switch_live


def made(releases: Path, name: str, model_id: str) -> Release:
    manifest = Manifest(
        name, model_id, "i", "d", "exact", 64, [64], 1, 1, f"2026-11-21T{name[-2:]}:00:00", 1.0
    )
    seal(releases / name, manifest)
    return open_release(releases / name)


def test_the_thing_before_is_let_go_of_when_its_last_user_is_done():
    gone: list[str] = []
    current = Current("old", let_go=gone.append)
    with current.held() as mine:
        with current.held() as same:
            current.switch("new")
            assert (mine, same, current.value) == ("old", "old", "new")
        assert gone == []
        with current.held() as later:
            assert later == "new"
    assert gone == ["old"]
    current.close()
    assert gone == ["old", "new"]


def test_a_thing_that_nobody_uses_is_let_go_of_at_once():
    gone: list[int] = []
    current = Current(0, let_go=gone.append)
    for number in range(1, 6):
        current.switch(number)
    assert gone == [0, 1, 2, 3, 4]


def test_a_user_that_fails_lets_go_too():
    gone: list[str] = []
    current = Current("old", let_go=gone.append)
    with pytest.raises(RuntimeError), current.held():
        current.switch("new")
        raise RuntimeError
    assert gone == ["old"]


def test_a_model_is_loaded_once_for_all_releases_that_share_it_and_three_stay(tmp_path: Path):
    loaded: list[str] = []

    def load(release: Release) -> ColourEmbedder:
        loaded.append(release.manifest.model_id)
        return ColourEmbedder()

    for name, model_id in (("r02", "a"), ("r03", "b"), ("r04", "c"), ("r05", "d")):
        made(tmp_path, name, model_id)
    models = EncoderModels(made(tmp_path, "r01", "a"), load, what_runs, releases=tmp_path)
    threads = [threading.Thread(target=models.of, args=("r03",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert models.of("r02") is models.of("r01")
    assert loaded == ["a", "b"]
    models.of("r04")
    models.of("r01")
    models.of("r05")
    models.of("r01")
    assert loaded == ["a", "b", "c", "d"]  # b was asked for longest ago
    models.of("r03")
    assert loaded == ["a", "b", "c", "d", "b"]
    assert IN_MEMORY == 3


def test_an_encoder_of_a_packed_release_knows_that_one_alone(tmp_path: Path):
    first = made(tmp_path, "r01", "a")
    models = EncoderModels(first, lambda _: ColourEmbedder(), what_runs, releases=None)
    with pytest.raises(HomeNotReady, match=r"serves release r01 and was asked for r02"):
        models.of("r02")
    models = EncoderModels(first, lambda _: ColourEmbedder(), what_runs, releases=tmp_path)
    with pytest.raises(BadArtifact, match="r02 is not a whole release"):
        models.of("r02")
    for name in ("../releases/r01", "/etc", "r01/model", ""):
        with pytest.raises(HomeNotReady, match="Restart the service"):
            models.of(name)


def test_a_service_follows_each_switch_and_goes_on_after_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("bentos.current.LOOK_EVERY_S", 0.01)
    monkeypatch.setattr("bentos.current.TRY_AGAIN_AFTER_S", 0.01)
    served = ["r01"]
    refused = {"r02"}

    def serve(release: Release) -> None:
        name = release.manifest.release
        if name in refused:
            refused.clear()
            raise BadArtifact("no graph")
        served.append(name)

    async def run() -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    await follow(tmp_path, serve, served=lambda: served[-1])

                tasks.start_soon(watch)
                for name in ("r02", "r03", "r01"):
                    switch_live(tmp_path, name)
                    while served[-1] != name:
                        await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()

    for name in ("r01", "r02", "r03"):
        made(tmp_path, name, "a")
    switch_live(tmp_path, "r01")
    anyio.run(run)
    assert served == ["r01", "r02", "r03", "r01"]
    assert "cannot switch to release r02 (BadArtifact: no graph)" in caplog.text
