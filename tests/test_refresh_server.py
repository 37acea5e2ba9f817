"""A refresh where the index is a collection on a Qdrant server."""

from dataclasses import replace
from pathlib import Path

from qdrant_over_http import serving
from refresh_runs import RECIPE, SHADES, Colours, change_catalogue, paint_home
from small_shop import PAINTS

from photosearch.assembly_index import index_engine
from photosearch.assembly_serving import collection_of, open_index
from photosearch.release import live_release, switch_live
from photosearch.search.release_folder import build_release
from photosearch.search.release_refresh import refresh_release
from photosearch.settings import Services


def test_a_new_collection_gets_what_stays_and_what_is_new_and_a_killed_one_goes(tmp_path: Path):
    home = paint_home(tmp_path / "home")
    with serving() as server:
        services = Services(qdrant_url=server.address)
        engine = index_engine(services, "int8")
        recipe = replace(RECIPE, engine=engine)
        built = build_release(home, home.candidate, Colours(home), recipe)
        switch_live(home.releases, built.release)
        before = live_release(home.releases)
        engine.create(Path(), "20260101T000000-a-b", 64, "colours").close()
        (home.releases / ".20260101T000000-a-b.4711").mkdir()

        change_catalogue(home)
        vectors_of = Colours(home)
        report = refresh_release(home, vectors_of, recipe)
        switch_live(home.releases, report.release)

        assert len(vectors_of.asked) == SHADES + 1
        assert sorted(one.name for one in server.client.get_collections().collections) == sorted(
            [collection_of(built.release), collection_of(report.release)]
        )
        old, new = (open_index(one, services) for one in (before, live_release(home.releases)))
        assert (old.count(), new.count()) == (SHADES * len(PAINTS), SHADES * len(PAINTS))
        cards = {one.card_id: one.price for _, listings, _ in new.scroll() for one in listings}
        assert cards == {name: 9.5 for name in PAINTS if name != "red"} | {
            "blue": 7.0,
            "red-blue": 12.0,
        }
        old.close()
        new.close()
