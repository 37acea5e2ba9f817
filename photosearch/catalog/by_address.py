"""Which source an address means."""

from pathlib import Path
from urllib.parse import urlsplit

from photosearch.catalog import manifest, video
from photosearch.catalog.addresses import is_of_this_machine
from photosearch.catalog.marketplace import MarketplaceSource
from photosearch.catalog.sources import FolderSource, Source
from photosearch.catalog.web import Manners
from photosearch.settings import Services


def source_at(address: str, services: Services) -> Source:
    """A folder, a manifest or video file, or a marketplace over HTTP.

    The simulator is named so whatever port it has: an unchanged world is an unchanged snapshot.

    Raises:
        BadSource: The address leads nowhere.
    """
    allowed = tuple(filter(None, (host.strip() for host in services.source_hosts.split(","))))
    manners = _manners(address, services.source_requests_per_s)
    match Path(address).suffix.lower():
        case suffix if suffix in manifest.SUFFIXES:
            folder = services.source_images or None
            return manifest.ManifestSource(
                address, images=folder, allowed_hosts=allowed, manners=manners
            )
        case suffix if suffix in video.SUFFIXES:
            return video.VideoSource(Path(address), every_s=services.source_every_s)
        case _ if address.startswith(("http://", "https://")):
            name = "simulator" if address == services.simulator_url else None
            return MarketplaceSource(address, name=name, allowed_hosts=allowed, manners=manners)
        case _:
            return FolderSource(Path(address))


def _manners(address: str, requests_per_s: float) -> Manners:
    """How a source is asked: one on this machine is ours to load as we like."""
    is_ours = is_of_this_machine(urlsplit(address).hostname or "")
    return Manners(requests_per_s=None if is_ours else requests_per_s)
