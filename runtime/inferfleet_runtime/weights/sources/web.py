"""`https://host/file`. Reads the network.

A Secret of the source holds a token, sent as `Authorization: Bearer`, or `user:password`.
"""

import base64
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from inferfleet_runtime.weights.sources.http_client import Answer, shown
from inferfleet_runtime.weights.sources.remote import Listing, RemoteFile
from inferfleet_runtime.weights.sources.seam import Asked


def listing(asked: Asked, ask_first: bool) -> Listing:
    """The one file. `ask_first`: find out its version, which only the node's cache needs, before it is downloaded."""
    headers = _headers(asked)
    head = asked.http.get(asked.uri, lambda: headers, "HEAD") if ask_first else None
    known = head if head is not None and head.status == 200 else None
    name = unquote(urlsplit(asked.uri).path.rpartition("/")[2]) or "model"
    file = RemoteFile(
        path=name,
        uri=shown(asked.uri),
        url=asked.uri,
        sign=lambda: headers,
        size=_size(known),
        version=_version(known, asked.source.sha256),
        pinned=False,
    )
    return Listing((file,))


def _headers(asked: Asked) -> Mapping[str, str]:
    if not asked.credentials.given:
        return {}
    text = asked.credentials.main()
    if ":" in text:
        return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}
    return {"Authorization": f"Bearer {text}"}


def _size(head: Answer | None) -> int | None:
    length = head.headers.get("content-length", "") if head else ""
    return int(length) if length.isdecimal() else None


def _version(head: Answer | None, sha256: str | None) -> str | None:
    """None where the server names no version: then only the user's digest tells one content from another."""
    if head is None:
        return None
    etag = head.headers.get("etag", "")
    if etag and not etag.startswith("W/"):
        return etag
    modified, length = head.headers.get("last-modified"), head.headers.get("content-length")
    if modified and length:
        return f"{modified} {length}"
    return f"sha256:{sha256}" if sha256 else None
