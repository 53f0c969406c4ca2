"""A server that speaks as much of Google Cloud Storage's JSON API as fetching needs, and its token services."""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from fakes.store import Asked, Reply, Store, Stored

PAGE = 2


@dataclass
class Gcs(Store):
    """Buckets by name. With `token` set, every request needs it."""

    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    generations: dict[str, int] = field(default_factory=dict)
    token: str = ""
    key: rsa.RSAPublicKey | None = None
    """Of the one service account."""
    md5: dict[str, str] = field(default_factory=dict)
    """To claim instead of the truth."""

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        query = {k: v[0] for k, v in parse_qs(parts.query).items()}
        if parts.path == "/token":
            return self._exchange(parse_qs(asked.body.decode()))
        if parts.path.startswith("/computeMetadata/"):
            flavor = asked.headers.get("Metadata-Flavor")  # without it the real one answers 403
            return Reply.json({"access_token": self.token, "expires_in": 3599}) if flavor == "Google" else Reply(403)
        if self.token and asked.headers.get("Authorization") != f"Bearer {self.token}":
            return Reply(401, body=b'{"error": {"message": "Anonymous caller"}}')
        return self._object(asked, parts.path, query)

    def _object(self, asked: Asked, path: str, query: dict[str, str]) -> Reply:
        _, _, _, _, bucket, _, *rest = path.split("/")
        objects = self.buckets[unquote(bucket)]
        if not rest:
            return self._list(objects, query)
        name = unquote(rest[0])
        generation = str(self.generations.get(name, 1))
        if name not in objects or query.get("generation", generation) != generation:
            return Reply(404, body=b"No such object")
        if query.get("alt") == "media":
            return self.stored(asked, Stored(objects[name]))
        return Reply.json(self._item(name, objects[name]))

    def is_content(self, asked: Asked) -> bool:
        return "alt=media" in asked.path

    def _item(self, name: str, content: bytes) -> dict[str, str]:
        md5 = self.md5.get(name) or base64.b64encode(hashlib.md5(content).digest()).decode()
        generation = str(self.generations.get(name, 1))
        return {"name": name, "size": str(len(content)), "generation": generation, "md5Hash": md5}

    def _list(self, objects: dict[str, bytes], query: dict[str, str]) -> Reply:
        found = sorted(n for n in objects if n.startswith(query["prefix"]))
        start = int(query.get("pageToken", "0"))
        page = {"items": [self._item(n, objects[n]) for n in found[start : start + PAGE]]} if found else {}
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(found) else {}
        return Reply.json({**page, **more})

    def _exchange(self, form: dict[str, list[str]]) -> Reply:
        """An assertion for a token (RFC 7523): signed by the account's key, meant for this very address."""
        assert self.key
        said, _, signature = form["assertion"][0].rpartition(".")
        self.key.verify(_decoded(signature), said.encode(), padding.PKCS1v15(), hashes.SHA256())
        claims = json.loads(_decoded(said.partition(".")[2]))
        if claims["aud"] != f"{self.base}/token" or claims["exp"] - claims["iat"] > 3600:
            return Reply(400, body=b'{"error": "invalid_grant"}')
        return Reply.json({"access_token": self.token, "expires_in": 3599, "token_type": "Bearer"})


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
