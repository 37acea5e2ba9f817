"""A refresh that is killed, or meets another, leaves what is live; the next one goes on."""

import time

import pytest
import refreshed_home
from refresh_runs import (
    PROCESSES,
    held_while,
    killed_at_rename,
    killed_at_step,
    live_name,
    refresh_and_switch,
    run,
)
from refreshed_home import STEPS, assert_is_up_to_date, contents, stamps

from photosearch.errors import HomeNotReady
from photosearch.home import Home
from photosearch.release import list_releases, live_release
from photosearch.release_lock import alone

first = refreshed_home.first
home = refreshed_home.home

KILLED = -9


def test_a_refresh_killed_at_each_step_in_turn_leaves_what_is_live_and_the_next_one_goes_on(
    home: Home,
):
    before = live_release(home.releases)
    untouched = stamps(before.folder)
    for step in STEPS:
        assert run(killed_at_step, home.root, step) == KILLED, step
        assert live_name(home) == before.manifest.release, step
        assert stamps(before.folder) == untouched, step
    assert len(contents(before)) == before.manifest.n_photos
    assert run(refresh_and_switch, home.root) == 0
    assert_is_up_to_date(home)


def test_a_refresh_killed_before_each_rename_in_turn_leaves_the_old_or_the_new_release(home: Home):
    before = live_name(home)
    number = 0
    while len(list_releases(home.releases)) == 1:
        number += 1
        assert run(killed_at_rename, home.root, number) == KILLED
        assert live_name(home) == before
    assert number > 8
    for number in (1, 2):  # a whole release lies there: what is left are switches and pointer
        assert run(killed_at_rename, home.root, number) == KILLED
        assert live_name(home) == before
    assert run(refresh_and_switch, home.root) == 0
    assert len(list_releases(home.releases)) == 2
    assert_is_up_to_date(home)


def test_a_refresh_killed_at_any_moment_leaves_what_is_live(home: Home):
    before = live_release(home.releases)
    for tenths in (1, 3, 5, 8):
        process = PROCESSES.Process(target=refresh_and_switch, args=(home.root,))
        process.start()
        time.sleep(tenths / 10)
        process.kill()
        process.join()
        live = live_release(home.releases)
        assert len(contents(live)) == live.manifest.n_photos
        if process.exitcode == 0:
            break
        is_switched = live.manifest.release != before.manifest.release
        assert live.manifest.data_version == ("d2" if is_switched else "d1")
    assert run(refresh_and_switch, home.root) == 0
    assert_is_up_to_date(home)


def test_two_refreshes_at_once_are_refused_with_who_holds_the_releases(home: Home):
    is_held, may_end = PROCESSES.Event(), PROCESSES.Event()
    holder = PROCESSES.Process(target=held_while, args=(home.root, is_held, may_end))
    holder.start()
    assert is_held.wait(60)
    before = stamps(home.releases)
    said = rf"is held by process {holder.pid}, refreshing the index since .* UTC: one at a time"
    with pytest.raises(HomeNotReady, match=said), alone(home.releases, doing="rolling back"):
        pytest.fail("two at once")
    assert stamps(home.releases) == before
    may_end.set()
    holder.join(60)
    with alone(home.releases, doing="rolling back"):
        assert (home.releases / "lock").read_text().startswith("process ")


def test_a_killed_holder_holds_nothing(home: Home):
    is_held, may_end = PROCESSES.Event(), PROCESSES.Event()
    holder = PROCESSES.Process(target=held_while, args=(home.root, is_held, may_end))
    holder.start()
    assert is_held.wait(60)
    holder.kill()
    holder.join()
    with alone(home.releases, doing="refreshing the index"):
        pass
