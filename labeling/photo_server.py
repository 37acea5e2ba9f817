"""The photo endpoint: serves one photo to whoever holds a signed link to it; knows no list."""

from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from labeling.links import check_link
from labeling.photos import check_secret
from photosearch.catalog.images import path_of
from photosearch.errors import BadLink, BadParams
from photosearch.settings import Settings

KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}
"""By first bytes; a file that is none of them is not shown."""


def photo_app(images: Path, *, secret: str, allowed_origin: str) -> Starlette:
    """An app for `GET /photos/SHA256?expires=&signature=`.

    Args:
        images: Folder of content-addressed photos.
        secret: That signed the links.
        allowed_origin: Origin of the page that shows the photos, such as Label Studio's; its
            scripts read pixels, which browsers allow only with this header.
    """
    headers = {
        "Access-Control-Allow-Origin": allowed_origin,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Origin",
    }

    def photo(request: Request) -> Response:
        sha256 = request.path_params["sha256"]
        asked = request.query_params
        try:
            left_s = check_link(
                secret,
                sha256,
                expires=asked.get("expires", ""),
                signature=asked.get("signature", ""),
            )
        except BadLink as error:
            return JSONResponse({"detail": str(error)}, 403, headers)
        path = path_of(images, sha256)
        kind = _kind(path)
        if kind is None:
            return JSONResponse({"detail": f"No photo {sha256} here."}, 404, headers)
        kept = {"Cache-Control": f"private, max-age={min(left_s, 86_400)}"}
        return FileResponse(path, media_type=kind, headers=headers | kept)

    def alive(_: Request) -> Response:
        return JSONResponse({"status": "up"})

    return Starlette(routes=[Route("/photos/{sha256}", photo), Route("/livez", alive)])


def serve_home(settings: Settings, *, host: str, port: int) -> None:
    """Serves a home's photos until it is stopped.

    Raises:
        BadParams: No Label Studio address to allow, or the secret is too short.
    """
    import uvicorn

    services = settings.services
    if not services.label_studio_url:
        raise BadParams(
            "Set PHOTOSEARCH_LABEL_STUDIO_URL: only its page may read the photos it shows."
        )
    app = photo_app(
        settings.home.images,
        secret=check_secret(services.photos_secret.get_secret_value(), "PHOTOSEARCH_PHOTOS_SECRET"),
        allowed_origin=origin_of(services.label_studio_url),
    )
    # Access logs would keep signatures.
    uvicorn.run(app, host=host, port=port, access_log=False, log_level="warning")


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, as browsers send them."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _kind(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError:
        return None
    return next((kind for first, kind in KINDS.items() if start.startswith(first)), None)
