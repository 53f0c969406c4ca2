"""A registry of the distribution specification: manifests, blobs, and a token service that wants to be asked first."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from fakes.store import Asked, Reply, Store, Stored

TAR = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass
class Registry(Store):
    """`team/m` and whatever else was pushed."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    """By `repository:tag` and by `repository:digest`."""
    users: dict[str, str] = field(default_factory=dict)
    """Passwords; without any, everybody may pull, but still with a token."""
    basic: bool = False
    """Want the password itself with every request, and no token."""
    tokens: set[str] = field(default_factory=set)

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        if parts.path == "/token":
            return self._token(asked, parse_qs(parts.query))
        if not self._may(asked):
            challenge = f'Bearer realm="{self.base}/token",service="fake",scope="repository:team/m:pull"'
            return Reply(401, {"WWW-Authenticate": 'Basic realm="fake"' if self.basic else challenge})
        repository, kind, name = parts.path.removeprefix("/v2/").rsplit("/", 2)
        if kind == "blobs":
            return self.stored(asked, Stored(self.blobs[name])) if name in self.blobs else Reply(404)
        content = self.manifests.get(f"{repository}:{name}")
        return (
            Reply(404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}') if content is None else Reply(200, {}, content)
        )

    def is_content(self, asked: Asked) -> bool:
        return "/blobs/" in asked.path

    def _may(self, asked: Asked) -> bool:
        given = asked.headers.get("Authorization", "")
        return self._known(given) if self.basic else given.removeprefix("Bearer ") in self.tokens

    def _known(self, authorization: str) -> bool:
        user, _, password = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        return bool(user) and self.users.get(user) == password

    def _token(self, asked: Asked, query: Mapping[str, list[str]]) -> Reply:
        if query["scope"] != ["repository:team/m:pull"] or query["service"] != ["fake"]:
            return Reply(400)
        if self.users and not self._known(asked.headers.get("Authorization", "")):
            return Reply(401, body=b"no such user")
        token = f"token{len(self.tokens)}"
        self.tokens = {*self.tokens, token}
        return Reply.json({"token": token, "expires_in": 60})

    def push(self, tag: str, *layers: tuple[str, bytes, dict[str, str]], repository: str = "team/m") -> str:
        """Layers as (media type, content, annotations); the manifest's digest."""
        entries = []
        for kind, content, annotations in layers:
            digest = digest_of(content)
            self.blobs[digest] = content
            entry = {"mediaType": kind, "digest": digest, "size": len(content)}
            entries.append(entry | ({"annotations": annotations} if annotations else {}))
        return self.put(repository, tag, {"schemaVersion": 2, "mediaType": MANIFEST, "layers": entries})

    def put(self, repository: str, tag: str, manifest: object) -> str:
        """Any manifest."""
        content = json.dumps(manifest).encode()
        self.manifests[f"{repository}:{tag}"] = self.manifests[f"{repository}:{digest_of(content)}"] = content
        return digest_of(content)


def digest_of(content: bytes) -> str:
    """As registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> tuple[str, bytes, dict[str, str]]:
    """A layer of an image; `links` are symbolic ones."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return TAR, gzip.compress(written.getvalue(), mtime=0), {}
