"""What an encoder makes of photos: vectors, and tokens where a release compares them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from photosearch.release import Release
from photosearch.search.photo_tokens import FOLDER
from photosearch.search.query import Embedded
from photosearch.settings import Services


@dataclass(frozen=True, slots=True)
class Looker:
    """A model in memory."""

    model_id: str
    look: Callable[[Sequence[Image.Image], bool], list[Embedded]]
    """RGB photos, some dozens at most, and whether others are looked at meanwhile -> what the model
    makes of each. For several threads."""
    n_lanes: int
    """Calls that run side by side; more wait."""


def load_looker(release: Release, services: Services) -> Looker:
    """Loads the model of a release, for tokens too where its searches compare them.

    Raises:
        BadArtifact: The release has no graph that loads, or compares tokens and its graph gives
            none.
        GraphDisagrees: No runtime makes the model's vectors.
    """
    from photosearch.assembly_serving import load_served_embedder

    sees = compares_tokens(release)
    embedder = load_served_embedder(release, services, sees=sees)

    def look(photos: Sequence[Image.Image], beside: bool) -> list[Embedded]:
        return [Embedded(vector) for vector in embedder.embed(photos, beside=beside)]

    def see(photos: Sequence[Image.Image], beside: bool) -> list[Embedded]:
        sight = embedder.see(photos, beside=beside)
        return list(map(Embedded, sight.vectors, sight.tokens))

    if not sees:
        return Looker(embedder.model_id, look, embedder.n_lanes)
    # a graph without tokens is refused now, not by each search
    see([Image.new("RGB", (8, 8))], False)
    return Looker(embedder.model_id, see, embedder.n_lanes)


def compares_tokens(release: Release) -> bool:
    """Whether searches of a release compare tokens."""
    return (release.folder / FOLDER).exists()
