"""Where settings become the short tokens that a release carries, and maps; see assembly.py."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from photosearch.assembly_serving import load_served_embedder, projection_of
from photosearch.release import Release, live_release
from photosearch.settings import Services, Settings

if TYPE_CHECKING:
    from PIL import Image

    from photosearch.catalog.schemas import CuratedPhoto
    from photosearch.embedding.short_tokens import Projection

WriteTokens = Callable[[Path, "Sequence[CuratedPhoto]"], None]
"""Adds the tokens of an index's photos to a release folder that is being made."""


def token_writer(settings: Settings, model: Path) -> WriteTokens | None:
    """What adds photo tokens to a release of a model; None where params turn late interaction off.

    Raises:
        BadArtifact: Nothing says how tokens of this model are shortened.
    """
    from photosearch.embedding.catalog_tokens import catalog_tokens
    from photosearch.embedding.model import read_model
    from photosearch.search.photo_tokens import FOLDER, TokensManifest, write_photo_tokens

    late = settings.params.late_interaction
    if late.tokens == "none":
        return None
    model_id = read_model(model).model_id
    projection = _projection(settings, model_id)
    tokens_of = catalog_tokens(settings.home, model)

    def write(folder: Path, photos: "Sequence[CuratedPhoto]") -> None:
        manifest = TokensManifest(model_id, len(photos), late.cards, late.weight)
        write_photo_tokens(
            folder / FOLDER, photos, tokens_of, projection=projection, manifest=manifest
        )

    return write


def draw_maps(
    release: Release, services: Services, photo: "Image.Image", other: "Image.Image | None"
) -> dict[str, bytes]:
    """PNG files by name: where a release's model looks, and what it finds alike on another photo.

    Raises:
        BadArtifact: The release's graph gives no tokens and no attention.
    """
    from photosearch.search.explain import map_of

    embedder = load_served_embedder(release, services, sees=True)
    projection = projection_of(release)
    maps = {"attention.png": map_of(embedder, photo, None, projection)}
    if other is not None:
        maps["matches.png"] = map_of(embedder, photo, other, projection)
    return maps


def _projection(settings: Settings, model_id: str) -> "Projection":
    """Of `photosearch late`; else, as that knows candidates only, the live release's own."""
    from photosearch.embedding.short_tokens import read_projection
    from photosearch.errors import BadArtifact
    from photosearch.search.photo_tokens import FOLDER

    home = settings.home
    try:
        return read_projection(home.late, model_id=model_id)
    except BadArtifact:
        if not home.live.exists():
            raise
        live = live_release(home.releases)
        if live.manifest.model_id != model_id or not (live.folder / FOLDER).exists():
            raise
        return read_projection(live.folder / FOLDER, model_id=model_id)
