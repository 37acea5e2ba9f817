"""How good each rule of curation is, where the truth is known: precision and recall.

The truth comes from a marketplace that made its noise itself (the simulator); a real one has none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from photosearch.catalog.schemas import Rejected

CLEAN = "product"
NOT_THE_PRODUCT = frozenset(
    {"wrong_product", "not_a_product", "person", "screenshot", "banner", "collage"}
)
"""Natures of photos that do not show their card's product, or not alone."""
RIGHT: dict[str, frozenset[str]] = {
    "exact_duplicate": frozenset({"exact_duplicate", "repeated"}),
    "near_duplicate": frozenset({"near_duplicate"}),
    "unreadable": frozenset({"corrupt"}),
    "too_dark": frozenset({"dark"}),
    "blurred": frozenset({"blurred"}),
    "screenshot": frozenset({"screenshot"}),
    "banner": frozenset({"banner"}),
    "collage": frozenset({"collage"}),
    "person": frozenset({"person"}),
    "not_a_product": frozenset({"not_a_product"}),
    "wrong_product": frozenset({"wrong_product"}),
}
"""What each rule is for, by the natures that the truth tells."""
DUPLICATES = ("exact_duplicate", "near_duplicate", "semantic_duplicate")
STRANGERS = ("person", "not_a_product", "wrong_product")
"""Rules that look for one thing, a photo of something else, and guess its name."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a marketplace knows of a photo that it made."""

    nature: str
    """`product` is clean; others are the keys of `RIGHT`'s values."""
    of: str | None
    """photo_id of the photo that it repeats."""


@dataclass(frozen=True, slots=True)
class RuleQuality:
    rule: str
    rejected: int
    right: int
    """Rejected photos that are what the rule is for."""
    noise: int
    """Rejected photos that are noise of any kind."""
    injected: int
    """Photos that the rule is for."""
    left_out: int
    """Of these, left out by any rule."""

    @property
    def precision(self) -> float | None:
        """Share of the rejected that are noise; for duplicates, that are duplicates."""
        good = self.right if self.rule in DUPLICATES else self.noise
        return good / self.rejected if self.rejected else None

    @property
    def recall(self) -> float | None:
        """Share of the injected that are left out, by whatever rule came first."""
        return self.left_out / self.injected if self.injected else None


@dataclass(frozen=True, slots=True)
class CurationQuality:
    rules: list[RuleQuality]
    clean: int
    clean_lost: int
    """Clean photos that were left out, and that nothing repeats."""


def measure(rejected: Iterable[Rejected], truth: Mapping[str, Truth]) -> CurationQuality:
    """Compares what was left out with the truth.

    A photo and what repeats it are one family: whichever of them goes, the rule is right, and the
    repetition is gone. A rule that finds something else wrong with a noisy photo is right, too.

    Args:
        rejected: Of one snapshot.
        truth: By photo_id, of every photo of the snapshot.
    """
    reasons = {row.photo_id: row.reason for row in rejected if row.photo_id in truth}
    repeats: dict[str, set[str]] = {}
    for photo_id, true in truth.items():
        if true.of is not None:
            repeats.setdefault(true.of, set()).add(photo_id)
    rules = [_of_rule(rule, reasons, truth, repeats) for rule in RIGHT]
    clean = [photo_id for photo_id, true in truth.items() if true.nature == CLEAN]
    lost = [photo_id for photo_id in clean if photo_id in reasons and photo_id not in repeats]
    return CurationQuality(rules, len(clean), len(lost))


def as_markdown(quality: CurationQuality) -> str:
    """A table of all rules for reports and pages."""
    lines = [
        "| rule | rejected | precision | injected | recall |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {rule.rule} | {rule.rejected} | {share(rule.precision)} | {rule.injected} "
            f"| {share(rule.recall)} |"
            for rule in [*quality.rules, together(quality.rules)]
        ),
        "",
        f"Clean photos lost: {quality.clean_lost} of {quality.clean}.",
    ]
    return "\n".join(lines) + "\n"


def together(rules: Sequence[RuleQuality]) -> RuleQuality:
    """The rules that look for photos of something else, as one: they guess each other's names."""
    some = [rule for rule in rules if rule.rule in STRANGERS]
    return RuleQuality(
        " + ".join(STRANGERS),
        rejected=sum(rule.rejected for rule in some),
        right=sum(rule.right for rule in some),
        noise=sum(rule.noise for rule in some),
        injected=sum(rule.injected for rule in some),
        left_out=sum(rule.left_out for rule in some),
    )


def share(value: float | None) -> str:
    """`.983`; `-` where there is nothing to share."""
    return "-" if value is None else f"{value:.3f}"


def _of_rule(
    rule: str,
    reasons: Mapping[str, str],
    truth: Mapping[str, Truth],
    repeats: Mapping[str, set[str]],
) -> RuleQuality:
    natures = RIGHT[rule]
    of_rule = [photo_id for photo_id, reason in reasons.items() if reason == rule]
    injected = [photo_id for photo_id, true in truth.items() if true.nature in natures]

    def is_right(photo_id: str) -> bool:
        family = {photo_id} | repeats.get(photo_id, set())
        return any(truth[one].nature in natures for one in family)

    return RuleQuality(
        rule,
        rejected=len(of_rule),
        right=sum(map(is_right, of_rule)),
        noise=sum(truth[one].nature != CLEAN or is_right(one) for one in of_rule),
        injected=len(injected),
        left_out=sum(one in reasons or truth[one].of in reasons for one in injected),
    )
