"""Where settings become the tags of a home; the other objects are made in assembly.py."""

from photosearch.catalog.schemas import Card, CuratedPhoto
from photosearch.catalog.tables import read_rows
from photosearch.errors import BadParams
from photosearch.home import Home
from photosearch.perception.describer import Describer
from photosearch.settings import Settings
from photosearch.tagging.generate import TagsReport, make_tags
from photosearch.tagging.told import told_by


def tag_catalog(settings: Settings) -> TagsReport:
    """The stage `tags`.

    Raises:
        BadParams: `tags.source` wants an endpoint, and none is named.
        DescriberUnavailable: The endpoint does not answer, or refuses.
        EmptySource: There is no card.
    """
    home, tags, services = settings.home, settings.params.tags, settings.services
    if tags.source == "titles":
        return make_tags(home, tags)
    if not services.describer_url:
        raise BadParams(
            f"tags.source is {tags.source!r} in params.yaml, and no endpoint is named. Set "
            "PHOTOSEARCH_DESCRIBER_URL, _MODEL and _KEY, or set tags.source to titles."
        )
    described = Describer(services.describer_url, services.describer_model, services.describer_key)
    told = told_by(
        read_rows(home.curated / "cards.parquet", Card),
        described,
        answers=home.resume / "tags" / "answers.jsonl",
        photo_of=_pictures(home) if tags.source == "vlm" else {},
        images_dir=home.images,
    )
    return make_tags(home, tags, told)


def _pictures(home: Home) -> dict[str, str]:
    """The first gallery picture of each card."""
    photos = read_rows(home.curated / "photos.parquet", CuratedPhoto)
    shown = sorted((photo for photo in photos if photo.kind == "gallery"), key=lambda p: p.photo_id)
    return {photo.card_id: photo.sha256 for photo in reversed(shown)}
