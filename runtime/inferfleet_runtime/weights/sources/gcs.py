"""`gs://bucket/object`: the JSON API of Google Cloud Storage. Reads the network.

Endpoint: `STORAGE_EMULATOR_HOST`, else the public one. Who asks: the Secret of the source (a service account's key,
or an access token), else the service account of the node or pod by the metadata server, else anybody.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.google_token import metadata_token, service_account_token
from inferfleet_runtime.weights.sources.remote import Digest, Listing, RemoteFile
from inferfleet_runtime.weights.sources.seam import Asked, bucket_and_key, endpoint, inside, refused

PUBLIC = "https://storage.googleapis.com"
_MARGIN = 300.0
"""Seconds before its end in which a token is not used any more."""


def listing(asked: Asked) -> Listing:
    """The object that the URI names, else all below it. Raises CommandError."""
    bucket, key = bucket_and_key(asked.uri)
    store = _Store(asked, bucket, _Token(asked))
    if key and not key.endswith("/"):
        answer = asked.http.get(store.address(key), store.token.headers)
        if answer.status == 200:
            return Listing((store.file(answer.json(), key.rpartition("/")[2]),))
        if answer.status != 404:
            raise refused(asked.uri, answer)
        key += "/"
    files = tuple(store.file(item, item["name"].removeprefix(key)) for item in store.below(key))
    if not files:
        raise CommandError(f"{asked.uri}: there is no such object, and none below it")
    return Listing(files)


@dataclass
class _Token:
    """Asked for when it is needed, and kept while it is good."""

    asked: Asked
    _held: str | None = field(default=None, repr=False)
    _until: float = 0.0

    def headers(self) -> Mapping[str, str]:
        clock = self.asked.http.clock
        if clock.now() >= self._until:
            self._held, lasts = self._find()
            self._until = clock.now() + lasts - _MARGIN
        return {"Authorization": f"Bearer {self._held}"} if self._held else {}

    def _find(self) -> tuple[str | None, float]:
        """A token, and the seconds that it is good for."""
        if not self.asked.credentials.given:
            return metadata_token(self.asked)
        text = self.asked.credentials.main()
        if not text.startswith("{"):
            return text, float("inf")
        try:
            return service_account_token(self.asked, json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            message = f"{self.asked.uri}: the Secret's key is no key of a service account: {type(error).__name__}"
            raise CommandError(message) from error


@dataclass(frozen=True)
class _Store:
    asked: Asked
    bucket: str
    token: _Token

    @property
    def _objects(self) -> str:
        given = self.asked.env.get("STORAGE_EMULATOR_HOST") or PUBLIC
        base = endpoint(given if "://" in given else f"http://{given}", self.asked.uri)
        return f"{base}/storage/v1/b/{quote(self.bucket, safe='')}/o"

    def address(self, key: str) -> str:
        return f"{self._objects}/{quote(key, safe='')}"

    def file(self, item: dict[str, Any], path: str) -> RemoteFile:
        """The generation pins the content: it is part of the address."""
        name, generation = item["name"], item["generation"]
        md5 = item.get("md5Hash")  # a composite object has none
        return RemoteFile(
            path=inside(path, self.asked.uri),
            uri=f"gs://{self.bucket}/{name}",
            url=f"{self.address(name)}?{urlencode({'alt': 'media', 'generation': generation})}",
            sign=self.token.headers,
            size=int(item["size"]),
            digest=Digest("md5", base64.b64decode(md5).hex()) if md5 else None,
            version=str(generation),
        )

    def below(self, prefix: str) -> Iterator[dict[str, Any]]:
        query = {"prefix": prefix}
        while True:
            answer = self.asked.http.get(f"{self._objects}?{urlencode(query)}", self.token.headers)
            if answer.status != 200:
                raise refused(self.asked.uri, answer)
            found = answer.json()
            yield from (item for item in found.get("items", []) if not item["name"].endswith("/"))
            if not (token := found.get("nextPageToken")):
                return
            query["pageToken"] = token
