"""Trains a candidate on the labels, measures it, and judges it against the champion."""

from dataclasses import asdict
from pathlib import Path

from prefect import flow, task

from flows.build_dataset import reproduce
from flows.shown import show_markdown, show_rows
from flows.versions import commit
from photosearch.assembly import judge_candidate, load_settings
from photosearch.evaluation.promotion import Verdict
from photosearch.home import Home


@task
def judge(home: Home) -> Verdict:
    """The gate; its verdict and reasons are kept in build/evaluation."""
    return judge_candidate(load_settings(home.root))


@flow(name="train-model")
def train_model(home: Path) -> Verdict:
    """Runs the stages tokens, train and evaluate, then the gate."""
    for stage in ("tokens", "train", "evaluate"):
        reproduce(Home(home), stage)
    show_markdown("evaluation", Home(home).evaluation / "report.md")
    verdict = judge(Home(home))
    show_markdown("gate", Home(home).evaluation / "verdict.md")
    show_rows("gate-checks", [asdict(check) for check in verdict.checks])
    commit(Home(home), "Train and judge a candidate")
    return verdict
