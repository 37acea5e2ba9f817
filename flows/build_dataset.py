"""Turns the raw snapshot into clean, validated tables and pairs worth asking about."""

from pathlib import Path

from prefect import flow, task

from flows.checks import check_tables, show_failures
from flows.cluster import task_runner
from flows.look_at_photos import look_at_photos
from flows.shown import show_json, show_markdown, show_rows
from flows.versions import commit, repro
from photosearch.errors import PhotosearchError
from photosearch.home import Home

FACTS = "snapshot_facts.json"


@task
def check_snapshot_drift(home: Home) -> None:
    """Stops at a snapshot that is far from the last one that was built, if drift blocks."""
    from photosearch.curation.drift import check_drift, drifts, facts_of, read_facts
    from photosearch.settings import load_params

    limits = load_params(home.root / "params.yaml").drift
    before = read_facts(home.reports / FACTS)
    found = drifts(before, facts_of(home.catalog), limits) if before else []
    show_rows("drift", [{"what": one.what, "drift": round(one.amount, 4), "limit": one.limit,
                         "too far": one.is_too_far, "meaning": one.meaning}
                        for one in found])  # fmt: skip
    check_drift(found, blocks=limits.blocks)


@task
def learn_duplicates(home: Home) -> None:
    """Learns from labels how near two products' photos are one; the value goes to params.yaml."""
    from photosearch.curation import thresholds
    from photosearch.settings import load_params

    params = load_params(home.root / "params.yaml").curation
    in_use, learned = thresholds.learn(
        home, labels_min=params.learn_from_labels, now=params.semantic_across_cosine
    )
    rows = {"in use": in_use} | ({"learned": learned} if learned else {})
    show_rows("duplicate-threshold", [
        {"threshold": name, "cosine": one.cosine, "precision": one.precision,
         "recall": one.recall, "labels": one.labels} for name, one in rows.items()
    ])  # fmt: skip
    if learned:
        thresholds.write_param(home.root / "params.yaml", learned)


@task
def reproduce(home: Home, stage: str) -> None:
    """Brings one DVC stage and all it depends on up to date."""
    try:
        repro(home, stage)
    except PhotosearchError:
        if stage == "validate":
            show_failures("dataset", home.reports)
        raise


@task
def report_curation(home: Home) -> None:
    """Writes the pages of `photosearch docs`; measures the rules where the truth is known."""
    from photosearch.assembly import load_settings
    from photosearch.curation.docs_site import write_docs
    from photosearch.curation.drift import facts_of
    from photosearch.curation.known_truth import quality_of
    from photosearch.curation.quality import as_markdown
    from photosearch.report import save_report, write_text

    settings = load_settings(home.root)
    quality = quality_of(settings.home, settings.services.simulator_url)
    if quality:
        write_text(home.reports / "curation_quality.md", as_markdown(quality))
        save_report(home.reports / "curation_quality.json", quality)
        show_markdown("curation-quality", home.reports / "curation_quality.md")
    write_docs(home, settings.params.curation, quality=quality)
    save_report(home.reports / FACTS, facts_of(home.catalog))  # what the next one is compared with


@flow(name="build-dataset")
def build_dataset(home: Path) -> None:
    """Checks the snapshot, then runs tower, curate, pairs, tags and validate, if not fresh."""
    check_tables(Home(home), "raw")
    check_snapshot_drift(Home(home))
    learn_duplicates(Home(home))
    look_at_photos.with_options(task_runner=task_runner())(home)
    for stage in ("tower", "curate", "pairs", "tags", "validate"):
        reproduce(Home(home), stage)
        show_json(stage, Home(home).reports / f"{stage}.json")
    report_curation(Home(home))
    commit(Home(home), "Build the dataset")
