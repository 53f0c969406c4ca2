"""A server that speaks as much of the Hugging Face Hub's API as fetching needs: revisions, trees, files, tokens.

Facts: huggingface.co/docs/hub/api; large files are answered by a redirect to another origin that wants no token.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit

from fakes.store import Asked, Reply, Store, Stored, serving

PAGE = 2
"""Entries on a page of a tree: few, so that every test turns pages."""


@dataclass
class Hub(Store):
    """Repositories by name; each has commits with files, and branches that point to commits."""

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    branches: dict[str, dict[str, str]] = field(default_factory=dict)
    private: dict[str, str] = field(default_factory=dict)
    """The token that a repository wants."""
    large: int = 1000
    """Files from this size on are LFS: the API tells their SHA-256, and another origin has them."""
    lies: dict[str, str] = field(default_factory=dict)
    """SHA-256 to claim of a path."""
    cdn: str = ""
    """Base address of the other origin, this very server under another name."""

    @classmethod
    def of(cls, commit: str, files: dict[str, bytes]) -> "Hub":
        """One repository, `org/m`, with one commit."""
        return cls(repositories={"org/m": {commit: files}}, branches={"org/m": {"main": commit}})

    @contextmanager
    def serving(self) -> Iterator["Hub"]:
        """Until the context ends; the other origin is this server by another name."""
        with serving(self) as base:
            self.cdn = base.replace("127.0.0.1", "localhost")
            yield self

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        path = [unquote(p) for p in parts.path.strip("/").split("/")]
        if path[0] == "cdn":
            if asked.headers.get("Authorization"):
                return Reply(400, body=b"a token was sent to another origin")
            return self.stored(asked, Stored(self.repositories["/".join(path[1:3])][path[3]]["/".join(path[4:])]))
        name = "/".join(path[2:4]) if path[0] == "api" else "/".join(path[0:2])
        wanted = self.private.get(name)
        if name not in self.repositories or (wanted and asked.headers.get("Authorization") != f"Bearer {wanted}"):
            headers = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            return Reply(401, headers, b"Invalid username or password.")
        if path[0] == "api":
            return self._api(asked, name, path[4], "/".join(path[5:]), parse_qs(parts.query))
        return self._file(asked, name, path[3], "/".join(path[4:]))

    def _api(self, asked: Asked, name: str, what: str, revision: str, query: Mapping[str, list[str]]) -> Reply:
        commit = self.branches.get(name, {}).get(revision, revision)
        if commit not in self.repositories[name]:
            return Reply(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
        if what == "revision":
            return Reply.json({"id": name, "sha": commit})
        files = self.repositories[name][commit]
        start = int(query.get("cursor", ["0"])[0])
        page = sorted(files)[start : start + PAGE]
        entries = [{"type": "directory", "path": "folder", "oid": "0" * 40, "size": 0}] if not start else []
        entries += [self._entry(path, files[path]) for path in page]
        more = f"{self.base}{urlsplit(asked.path).path}?recursive=true&cursor={start + PAGE}"
        return Reply.json(entries, {"Link": f'<{more}>; rel="next"'} if start + PAGE < len(files) else {})

    def _entry(self, path: str, content: bytes) -> dict[str, object]:
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        entry: dict[str, object] = {"type": "file", "path": path, "oid": git, "size": len(content)}
        if len(content) < self.large:
            return entry
        sha256 = self.lies.get(path) or hashlib.sha256(content).hexdigest()
        return entry | {"size": 134, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}}

    def _file(self, asked: Asked, name: str, commit: str, path: str) -> Reply:
        content = self.repositories[name][commit][path]
        if len(content) < self.large:
            return self.stored(asked, Stored(content))
        return Reply(302, {"Location": f"{self.cdn}/cdn/{name}/{commit}/{path}"})
