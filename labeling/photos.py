"""How annotators see photos: by Label Studio's local files, or by our own signed links."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from labeling.links import MIN_SECRET_CHARS, Links
from labeling.published import file_name_of, publish_images
from labeling.server import Server
from photosearch.errors import BadParams, LabelingRefused

SUBFOLDER = "photosearch"
"""Label Studio serves a sub-folder of its document root, never the root itself."""

log = logging.getLogger(__name__)


class Photos(Protocol):
    """A way in which a photo reaches an annotator's browser."""

    can_expire: bool

    def address(self, sha256: str) -> str:
        """What a task says."""

    def show(
        self, server: Server, project_id: int, images_dir: Path, sha256s: Iterable[str]
    ) -> None:
        """Makes photos visible at their addresses to members of the project."""

    def is_expiring(self, address: str) -> bool:
        """Whether a task needs a new address."""


class LocalFiles:
    """Label Studio serves the files itself, to its members only."""

    can_expire = False

    def __init__(self, document_root: Path | None) -> None:
        """Takes the server's LOCAL_FILES_DOCUMENT_ROOT, at the same path on this machine."""
        self._document_root = document_root

    def address(self, sha256: str) -> str:
        return f"/data/local-files/?d={SUBFOLDER}/{file_name_of(sha256)}"

    def show(
        self, server: Server, project_id: int, images_dir: Path, sha256s: Iterable[str]
    ) -> None:
        """Links or copies photos into the document root.

        Raises:
            LabelingRefused: The root is unknown, or the server serves another one.
            UnreadablePhoto: A photo is gone.
        """
        if self._document_root is None:
            raise LabelingRefused(
                "Label Studio cannot show photos: set PHOTOSEARCH_LABEL_STUDIO_DOCUMENT_ROOT to "
                "the folder that the server has as LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT, or "
                "PHOTOSEARCH_PHOTOS_URL to the address of `photosearch photos`."
            )
        folder = self._document_root.resolve() / SUBFOLDER
        added = publish_images(images_dir, folder, sha256s=sha256s)
        log.info("published %d photos in %s", added, folder)
        server.ensure_storage(project_id, folder)

    def is_expiring(self, address: str) -> bool:  # noqa: ARG002  none does
        return False


class SignedLinks:
    """Our own endpoint serves photos from the home; nothing is copied."""

    can_expire = True

    def __init__(self, links: Links) -> None:
        self._links = links

    def address(self, sha256: str) -> str:
        return self._links.address(sha256)

    def show(
        self, server: Server, project_id: int, images_dir: Path, sha256s: Iterable[str]
    ) -> None:
        """Does nothing: the endpoint reads the content-addressed folder itself."""

    def is_expiring(self, address: str) -> bool:
        return self._links.is_expiring(address)


def photos_for_annotators(*, url: str, secret: str, document_root: Path | None) -> Photos:
    """Signed links where the endpoint's address is set, else local files.

    Raises:
        BadParams: The secret is too short to keep anybody out.
    """
    if not url:
        return LocalFiles(document_root)
    check_secret(secret, "PHOTOSEARCH_PHOTOS_SECRET")
    return SignedLinks(Links(url, secret))


def check_secret(secret: str, variable: str) -> str:
    """The secret itself, if it is long enough; `variable` of the environment holds it."""
    if len(secret) < MIN_SECRET_CHARS:
        raise BadParams(
            f"{variable} has {len(secret)} characters; it needs at least "
            f"{MIN_SECRET_CHARS}. Make one with `openssl rand -hex 32`."
        )
    return secret
