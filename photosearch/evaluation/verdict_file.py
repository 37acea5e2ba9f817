"""The verdict in a home: kept, read, told, overridden; knows no model."""

import dataclasses
import json
import logging
from datetime import UTC, datetime

from photosearch.embedding.model import read_model
from photosearch.errors import BadParams, HomeNotReady
from photosearch.evaluation.promotion import Check, Override, Verdict
from photosearch.home import Home
from photosearch.release import withdrawal_of
from photosearch.report import save_report, write_text

log = logging.getLogger(__name__)


def keep_verdict(home: Home, verdict: Verdict) -> None:
    """Writes verdict.json and verdict.md."""
    save_report(home.evaluation / "verdict.json", verdict)
    write_text(home.evaluation / "verdict.md", as_markdown(verdict))


def override_verdict(home: Home, *, by: str, because: str) -> Verdict:
    """Promotes the refused candidate all the same; who and why is kept in the verdict.

    Raises:
        BadParams: Name or reason is empty, or there is nothing to override.
        HomeNotReady: The candidate was not judged yet.
    """
    if not by.strip() or not because.strip():
        raise BadParams(
            f"An override needs a name and a reason, got {by!r} and {because!r}. Give both: "
            "--override-by NAME --because REASON."
        )
    verdict, candidate_id = read_verdict(home), read_model(home.candidate).model_id
    if verdict.candidate_id != candidate_id:
        raise HomeNotReady(
            f"The last verdict is on {verdict.candidate_id}, the candidate is {candidate_id}. Run "
            "`photosearch gate` first."
        )
    if verdict.is_promoted:
        raise BadParams(f"Candidate {candidate_id} is promoted already: nothing to override.")
    override = Override(by.strip(), because.strip(), datetime.now(UTC).isoformat())
    overridden = dataclasses.replace(verdict, is_promoted=True, override=override)
    keep_verdict(home, overridden)
    log.warning("%s overrode the gate for %s: %s", override.by, candidate_id, override.because)
    return overridden


def read_verdict(home: Home) -> Verdict:
    """The last verdict; raises HomeNotReady if none was given yet."""
    try:
        values = json.loads((home.evaluation / "verdict.json").read_text())
        checks = [Check(**check) for check in values.pop("checks", [])]
        override = values.pop("override", None)
        return Verdict(
            **values, checks=checks, override=None if override is None else Override(**override)
        )
    except (AttributeError, OSError, TypeError, ValueError):
        raise HomeNotReady(
            f"{home.evaluation} has no verdict on the candidate. Run `photosearch gate`."
        ) from None


def may_go_live(home: Home) -> bool:
    """Whether the candidate is promoted, and nobody rolled back from it since.

    Raises:
        HomeNotReady: No candidate was judged yet.
    """
    verdict = read_verdict(home)
    if not home.candidate.exists():
        log.warning(
            "%s is gone: a training was cut off. Run `photosearch train`; until then what is live "
            "stays.",
            home.candidate,
        )
        return False
    candidate_id = read_model(home.candidate).model_id
    if not verdict.is_promoted or verdict.candidate_id != candidate_id:
        return False
    is_known = any(check.name == "withdrawn" for check in verdict.checks)
    if withdrawal_of(home.releases, candidate_id) is None or is_known:
        return True
    log.warning(
        "candidate %s was rolled back after its verdict and stays out. To release it again, run "
        "`photosearch gate` and override its verdict.",
        candidate_id,
    )
    return False


def as_markdown(verdict: Verdict) -> str:
    """The verdict as a person reads it."""
    outcome = "PROMOTED" if verdict.is_promoted else "REFUSED"
    override = verdict.override
    overridden = (
        f"Overridden by {override.by} at {override.at}: {override.because}\n\n" if override else ""
    )
    return (
        f"**{outcome}**: {verdict.metric} at {verdict.length}: candidate {verdict.candidate_id} "
        f"{verdict.candidate_mean:.4f}, champion {verdict.champion_id} "
        f"({verdict.champion_kind} pooling) {verdict.champion_mean:.4f}, "
        f"{verdict.n_queries} queries\n\n"
        + overridden
        + "".join(f"- {reason}\n" for reason in verdict.reasons)
    )
