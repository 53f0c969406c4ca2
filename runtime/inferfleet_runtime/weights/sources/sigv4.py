"""AWS Signature Version 4 in a request's headers. Pure.

As documented in "AWS Signature Version 4 for API requests": canonical request, string to sign, derived key.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from urllib.parse import parse_qsl, quote, urlsplit

_EMPTY = hashlib.sha256(b"").hexdigest()
_UNRESERVED = "-_.~"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, repr=False)
class Keys:
    """An identity; temporary ones have a token and end."""

    access: str
    secret: str
    token: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True)
class Scope:
    """What a signature is good for."""

    region: str
    service: str = "s3"


def signed(
    method: str, url: str, keys: Keys, scope: Scope, now: datetime, extra: Mapping[str, str] = _NONE
) -> dict[str, str]:
    """Headers to send with a request without a body; `now` in UTC. The URL's path and query must be encoded as sent.

    `extra`: more headers, names in lower case. Every `x-amz-` header must be among them: one unsigned is refused.
    """
    parts, moment = urlsplit(url), now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": moment, **extra}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(sorted(headers))
    lines = [method, parts.path or "/", _query(parts.query), *_lines(headers), "", names, _EMPTY]
    request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    place = f"{moment[:8]}/{scope.region}/{scope.service}/aws4_request"
    signature = _hmac(_key(keys.secret, place), f"AWS4-HMAC-SHA256\n{moment}\n{place}\n{request}").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={keys.access}/{place}, SignedHeaders={names}, Signature={signature}"
    del headers["host"]  # urllib writes it
    return {**headers, "Authorization": authorization}


def encoded(key: str) -> str:
    """A key of an object as S3 wants it in a path: everything but unreserved characters and slashes."""
    return quote(key, safe=f"/{_UNRESERVED}")


def _query(query: str) -> str:
    pairs = sorted(
        (quote(k, safe=_UNRESERVED), quote(v, safe=_UNRESERVED)) for k, v in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{k}={v}" for k, v in pairs)


def _lines(headers: Mapping[str, str]) -> list[str]:
    return [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]


def _key(secret: str, place: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in place.split("/"):
        key = _hmac(key, part)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
