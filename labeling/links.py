"""Signed, expiring links to photos: who holds one may see one photo until a day.

Knows neither the server that honours them nor what the photos are for.
"""

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from photosearch.errors import BadLink

SHA256 = re.compile(r"[0-9a-f]{64}")
SECONDS = re.compile(r"[0-9]{1,12}")
DAY_S = 86_400
VALID_DAYS = 30
RENEW_DAYS = 10
"""A question that waits longer gets new links when its own have so little time left."""
MIN_SECRET_CHARS = 32


@dataclass(frozen=True, slots=True)
class Links:
    """Makes and checks links."""

    url: str
    """Address of the photo endpoint as browsers reach it."""
    secret: str

    def address(self, sha256: str, *, now_s: float | None = None) -> str:
        """A link that is valid for 30 to 31 days; the same one all day, so browsers may cache."""
        now_s = time.time() if now_s is None else now_s
        expires = (int(now_s) // DAY_S + 1 + VALID_DAYS) * DAY_S
        signature = _signature(self.secret, sha256, expires)
        return f"{self.url.rstrip('/')}/photos/{sha256}?expires={expires}&signature={signature}"

    def is_expiring(self, address: str, *, now_s: float | None = None) -> bool:
        """Whether a link of ours should be renewed; other addresses never are."""
        if not address.startswith(f"{self.url.rstrip('/')}/photos/"):
            return False
        (expires,) = parse_qs(urlsplit(address).query).get("expires", ["0"])
        now_s = time.time() if now_s is None else now_s
        return not expires.isdigit() or int(expires) - now_s < RENEW_DAYS * DAY_S


def check_link(
    secret: str, sha256: str, *, expires: str, signature: str, now_s: float | None = None
) -> int:
    """Checks the parts of a link; returns the seconds that it is still valid.

    Raises:
        BadLink: It names no photo, was not signed by us, or is too old.
    """
    if not SHA256.fullmatch(sha256):
        raise BadLink(f"{sha256[:80]!r} is no content hash. Open the question again.")
    is_ours = SECONDS.fullmatch(expires) is not None and hmac.compare_digest(
        _signature(secret, sha256, int(expires)).encode(), signature.encode()
    )
    if not is_ours:
        raise BadLink(
            "The signature of this link is wrong: it was changed, or made with another secret. "
            "Give both sides the same PHOTOSEARCH_PHOTOS_SECRET and run `photosearch label`."
        )
    left_s = int(int(expires) - (time.time() if now_s is None else now_s))
    if left_s <= 0:
        raise BadLink(
            f"This link expired {-left_s // DAY_S} days ago. Run `photosearch label`, which renews "
            "links, and open the question again."
        )
    return left_s


def _signature(secret: str, sha256: str, expires: int) -> str:
    message = f"{sha256}\n{expires}".encode()
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
