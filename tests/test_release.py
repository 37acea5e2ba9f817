"""What is live: switching, what was live before, rolling back, and what must not come back."""

import json
from pathlib import Path

import pytest

from photosearch.errors import BadArtifact, BadParams, HomeNotReady
from photosearch.release import (
    MANIFEST,
    Manifest,
    live_release,
    read_switches,
    roll_back,
    seal,
    switch_live,
    withdrawal_of,
    withdrawn_releases,
)


def made(releases: Path, name: str, model_id: str) -> str:
    """A sealed release without content, made at an hour that its name tells."""
    manifest = Manifest(
        name, model_id, "i", "d", "exact", 2, [2], 1, 1, f"2026-11-21T{name[-2:]}:00:00", 1.0
    )
    (releases / name).mkdir(parents=True)
    seal(releases / name, manifest)
    return name


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """r01 to r03 went live one after the other; r02 and r03 are two indexes of one model."""
    for name, model_id in (("r01", "old"), ("r02", "new"), ("r03", "new")):
        switch_live(tmp_path, made(tmp_path, name, model_id))
    return tmp_path


def live(releases: Path) -> str:
    return live_release(releases).manifest.release


def test_every_switch_is_kept_and_switching_to_what_is_live_is_none(releases: Path):
    switch_live(releases, "r03")
    rows = [(row.before, row.release, row.rolled_back_because) for row in read_switches(releases)]
    assert rows == [(None, "r01", None), ("r01", "r02", None), ("r02", "r03", None)]


def test_rolling_back_brings_what_was_live_before(releases: Path):
    assert roll_back(releases, to=None, because="wrong lamps").manifest.release == "r02"
    assert live(releases) == "r02"
    last = read_switches(releases)[-1]
    assert (last.before, last.rolled_back_because) == ("r03", "wrong lamps")


def test_rolling_back_twice_goes_two_back_and_then_there_is_nothing(releases: Path):
    roll_back(releases, to=None, because="")
    assert roll_back(releases, to=None, because="").manifest.release == "r01"
    with pytest.raises(HomeNotReady, match=r"before r01. Name one with --to: r02, r03"):
        roll_back(releases, to=None, because="")
    assert live(releases) == "r01"


def test_a_release_that_was_rolled_back_is_not_gone_back_to(releases: Path):
    roll_back(releases, to=None, because="")
    switch_live(releases, made(releases, "r04", "newer"))
    assert roll_back(releases, to=None, because="").manifest.release == "r02"


def test_a_release_that_went_live_again_on_purpose_is_gone_back_to(releases: Path):
    roll_back(releases, to=None, because="wrong lamps")  # r02
    switch_live(releases, "r03")  # the lamps were right
    assert withdrawn_releases(releases) == {}
    switch_live(releases, made(releases, "r04", "newer"))
    assert roll_back(releases, to=None, because="dear").manifest.release == "r03"
    assert list(withdrawn_releases(releases)) == ["r04"]
    assert withdrawn_releases(releases)["r04"].rolled_back_because == "dear"


def test_a_release_that_somebody_named_to_go_back_to_is_gone_back_to_again(releases: Path):
    roll_back(releases, to=None, because="wrong lamps")  # r02
    roll_back(releases, to="r03", because="r02 was no better")
    switch_live(releases, made(releases, "r04", "newer"))
    assert roll_back(releases, to=None, because="").manifest.release == "r03"
    assert list(withdrawn_releases(releases)) == ["r02", "r04"]


def test_any_whole_release_can_be_named(releases: Path):
    assert roll_back(releases, to="r01", because="").manifest.release == "r01"
    with pytest.raises(BadParams, match="r01 is live already"):
        roll_back(releases, to="r01", because="")
    (releases / "r02" / MANIFEST).unlink()
    with pytest.raises(BadArtifact, match="r02 is not a whole release"):
        roll_back(releases, to="r02", because="")
    assert live(releases) == "r01"


def test_a_deleted_release_is_passed_over(releases: Path):
    (releases / "r02" / MANIFEST).unlink()
    assert roll_back(releases, to=None, because="").manifest.release == "r01"


def test_a_home_of_before_switches_were_kept_asks_for_a_name(releases: Path):
    (releases / "switches.jsonl").unlink()
    with pytest.raises(HomeNotReady, match=r"what was live before r03. Name one with --to: r01"):
        roll_back(releases, to=None, because="")
    assert roll_back(releases, to="r02", because="").manifest.release == "r02"


def test_only_a_release_is_an_answer_to_nothing(tmp_path: Path):
    switch_live(tmp_path, made(tmp_path, "r01", "old"))
    with pytest.raises(HomeNotReady, match="There is no other release"):
        roll_back(tmp_path, to=None, because="")


def test_a_model_is_withdrawn_once_another_model_took_its_place_back(releases: Path):
    roll_back(releases, to=None, because="bad index")  # r02 is of the same model
    assert withdrawal_of(releases, "new") is None
    roll_back(releases, to=None, because="bad model")
    assert withdrawal_of(releases, "new").rolled_back_because == "bad model"
    assert withdrawal_of(releases, "old") is None
    switch_live(releases, "r03")  # somebody insisted
    assert withdrawal_of(releases, "new") is None


def test_a_manifest_of_before_calibration_is_still_read(releases: Path):
    path = releases / "r01" / MANIFEST
    values = json.loads(path.read_text())
    del values["abstain_precision"]
    path.write_text(json.dumps(values))
    assert roll_back(releases, to="r01", because="").manifest.abstain_precision is None
