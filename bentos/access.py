"""Who may call how often, and from which pages: what the environment says of it."""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from photosearch.errors import BadParams
from photosearch.settings import Services

SHA256 = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
NETWORK_BITS = 64
"""One household or server has so much of IPv6, and not one address."""


@dataclass(frozen=True, slots=True)
class Caller:
    id: str
    """Whose calls are counted together."""
    name: str
    """In logs, metrics and messages: a key's name, `public` or `unknown`."""
    per_min: int
    """Calls; 0: as many as it likes."""
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """What a deployment lets its callers do; as it stands, everybody everything."""

    key_of: Mapping[str, str] = field(default_factory=dict)
    """Names by SHA-256 of their key; none: no key is needed."""
    key_per_min: int = 0
    public_per_min: int = 0
    origins: tuple[str, ...] = ()
    """Of pages elsewhere whose scripts may call."""
    deadline_s: float = 10.0
    """Of a search, the waiting for its turn counted."""
    upload_s: float = 30.0
    """Of reading a body."""

    def caller(self, headers: Headers, host: str) -> Caller:
        """Who calls, by the key it sends, else by its address."""
        key = sent_key(headers)
        if key is not None and self.key_of:
            name = self._name_of(key)
            if name is None:
                return Caller(_network(host), "unknown", self.public_per_min, is_refused=True)
            return Caller(f"key {name}", name, self.key_per_min)
        is_refused = bool(self.key_of) and not self.public_per_min
        return Caller(_network(host), "public", self.public_per_min, is_refused=is_refused)

    def _name_of(self, key: str) -> str | None:
        sent = hashlib.sha256(key.encode()).hexdigest()
        found = None
        for sha256, name in self.key_of.items():  # to the end: time tells nothing
            if hmac.compare_digest(sent, sha256):
                found = name
        return found


def access_of(services: Services) -> Access:
    """What the environment says.

    Raises:
        BadParams: A key's hash is no SHA-256, its name no name, or an origin no address.
    """
    key_of = {}
    for name, secret in services.api_keys.items():
        sha256 = secret.get_secret_value().lower()
        if not (SHA256.fullmatch(sha256) and NAME.fullmatch(name)):
            raise BadParams(
                f"PHOTOSEARCH_API_KEYS: the key named {name!r} is not given as a name of letters "
                "and digits and a SHA-256 of 64 hex digits. Make one with `printf %s KEY | "
                "sha256sum`."
            )
        key_of[sha256] = name
    origins = tuple(part.strip() for part in services.cors_origins.split(",") if part.strip())
    for origin in origins:
        if not re.fullmatch(r"https?://[^/\s*]+", origin):
            raise BadParams(
                f"PHOTOSEARCH_CORS_ORIGINS: {origin!r} is no origin. Give such as "
                "https://shop.example, with commas between."
            )
    return Access(
        key_of=key_of,
        key_per_min=services.key_per_min,
        public_per_min=services.public_per_min,
        origins=origins,
        deadline_s=services.deadline_s,
        upload_s=services.upload_s,
    )


def sent_key(headers: Headers) -> str | None:
    """The key of a call: `X-API-Key: KEY`, or `Authorization: Bearer KEY`."""
    if "x-api-key" in headers:
        return headers["x-api-key"].strip()
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None


def _network(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:  # as a socket for both kinds names callers of IPv4
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), NETWORK_BITS), strict=False))
