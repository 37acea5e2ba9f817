"""Which release a service answers with, and whether it follows a switch; knows no models."""

from pathlib import Path

from photosearch.errors import HomeNotReady
from photosearch.home import Home
from photosearch.release import MANIFEST, Release, live_release, open_release
from photosearch.settings import Services

BUNDLED = Path(__file__).parent.parent / "release"
"""Where a bento carries its release: beside the code."""


def served_release(services: Services, *, bundled: Path = BUNDLED) -> Release:
    """The release that is named, else the one packed with the code, else the live one of the home.

    Raises:
        BadArtifact: The release folder is incomplete.
        HomeNotReady: None of the three is there.
    """
    if services.release is not None:
        return open_release(services.release)
    if (bundled / MANIFEST).exists():
        return open_release(bundled)
    if services.home is not None:
        return live_release(Home(services.home).releases)
    raise HomeNotReady(
        "There is no release to serve. Set PHOTOSEARCH_RELEASE to a release folder, or "
        "PHOTOSEARCH_HOME to a home that `photosearch demo` has filled."
    )


def followed_releases(services: Services, *, bundled: Path = BUNDLED) -> Path | None:
    """Where the live release is looked up again and again; None for one that is named or packed."""
    is_fixed = services.release is not None or (bundled / MANIFEST).exists()
    return None if is_fixed or services.home is None else Home(services.home).releases


def named_release(services: Services, name: str, *, bundled: Path = BUNDLED) -> Release:
    """A release by its name: of the home that is followed, or the one that is fixed.

    Raises:
        BadArtifact: The release folder is incomplete.
        HomeNotReady: There is none of that name here.
    """
    releases = followed_releases(services, bundled=bundled)
    if releases is not None and name and Path(name).name == name:
        return open_release(releases / name)
    fixed = served_release(services, bundled=bundled)
    if fixed.manifest.release != name:
        raise HomeNotReady(
            f"Release {fixed.manifest.release} is served here, and {name!r} is asked for, which "
            "has no folder. Restart the service."
        )
    return fixed
