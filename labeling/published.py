"""Puts photos into a folder that a server may read; knows nothing of questions."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from photosearch.catalog.images import path_of
from photosearch.errors import UnreadablePhoto


def file_name_of(sha256: str) -> str:
    """Name under which a photo is published.

    Always `.jpg`: a server names the content type by it, and browsers show a PNG or WebP so named.
    """
    return f"{sha256}.jpg"


def publish_images(images_dir: Path, folder: Path, *, sha256s: Iterable[str]) -> int:
    """Puts photos into a folder that a server may read; only those that are not there yet.

    Returns:
        The number of photos added.

    Raises:
        UnreadablePhoto: A photo is not in `images_dir`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        sha256 for sha256 in sorted(set(sha256s)) if not (folder / file_name_of(sha256)).exists()
    ]
    for sha256 in missing:
        source = path_of(images_dir, sha256)
        if not source.exists():
            raise UnreadablePhoto(f"{source} is gone. Pull again, or run `dvc checkout`.")
        _link_or_copy(source, folder / file_name_of(sha256))
    return len(missing)


def _link_or_copy(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        # Resolved, because DVC may have checked the photo out as a symbolic link.
        partial.hardlink_to(source.resolve())
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, partial)  # without the mode: DVC makes its files read-only
    partial.replace(target)
    # Renaming one hard link onto another of the same file leaves both.
    partial.unlink(missing_ok=True)
