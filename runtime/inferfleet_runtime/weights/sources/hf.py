"""`hf://organization/repository[/path]`: the API of the Hugging Face Hub. Reads the network.

Endpoint: `HF_ENDPOINT`, else the public one. Token: the Secret of the source, else `HF_TOKEN`. The revision is resolved
to a commit first, and everything after is asked of that commit: a branch that moves meanwhile mixes nothing.
API: https://huggingface.co/docs/hub/api
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urljoin

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.remote import Digest, Listing, RemoteFile
from inferfleet_runtime.weights.sources.seam import Asked, endpoint, inside, refused

PUBLIC = "https://huggingface.co"
_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


def listing(asked: Asked) -> Listing:
    """Every file of the repository, or the one that the URI names. Raises CommandError."""
    repository, path = parse(asked.uri)
    base, headers = endpoint(asked.env.get("HF_ENDPOINT") or PUBLIC, asked.uri), _headers(asked)
    commit = _commit(asked, f"{base}/api/models/{repository}", headers)
    tree = f"{base}/api/models/{repository}/tree/{commit}?recursive=true"
    files = tuple(
        _file(entry, asked.uri, f"{base}/{repository}/resolve/{commit}", (repository, commit, headers))
        for entry in _entries(asked, tree, headers)
        if entry.get("type") == "file" and (not path or _is_at(entry["path"], path))
    )
    if path and not files:
        raise CommandError(f"{asked.uri}: {repository} has no file {path} at revision {commit}")
    return Listing(files, commit)


def parse(uri: str) -> tuple[str, str]:
    """Repository and path. Raises CommandError."""
    organization, _, rest = unquote(uri.removeprefix("hf://")).partition("/")
    name, _, path = rest.partition("/")
    if not (_NAME.fullmatch(organization) and _NAME.fullmatch(name)):
        raise CommandError(f"{uri}: must be hf://organization/repository or hf://organization/repository/file")
    return f"{organization}/{name}", inside(path, uri) if path else ""


def _is_at(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith(f"{wanted}/")


def _headers(asked: Asked) -> Mapping[str, str]:
    token = asked.credentials.main() if asked.credentials.given else asked.env.get("HF_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _commit(asked: Asked, api: str, headers: Mapping[str, str]) -> str:
    revision = asked.source.revision or "main"
    answer = asked.http.get(f"{api}/revision/{quote(revision, safe='')}", lambda: headers)
    if answer.status == 404 and answer.headers.get("x-error-code") == "RevisionNotFound":
        raise CommandError(f"{asked.uri}: has no revision {revision}; give a commit, tag or branch that it has")
    if answer.status != 200:
        raise refused(asked.uri, answer, "check the repository; a private one is not found without its token")
    commit = answer.json().get("sha")
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise CommandError(f"{asked.uri}: {answer.url} names no commit")
    return commit


def _entries(asked: Asked, url: str, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Of all pages: a page has at most a thousand."""
    following: str | None = url
    while following:
        answer = asked.http.get(following, lambda: headers)
        if answer.status != 200:
            raise refused(asked.uri, answer)
        yield from answer.json()
        found = _NEXT.search(answer.headers.get("link", ""))
        # only its own API is asked again: the token goes with the request
        following = urljoin(url, found[1]) if found else None
        if following and not following.startswith(url.partition("/api/")[0] + "/api/"):
            raise CommandError(f"{asked.uri}: {url} goes on at {following}, which is another address")


def _file(entry: dict[str, Any], uri: str, base: str, pin: tuple[str, str, Mapping[str, str]]) -> RemoteFile:
    repository, commit, headers = pin
    path, large = inside(entry["path"], uri), entry.get("lfs")
    digest = Digest("sha256", large["oid"]) if large else Digest("git-sha1", entry["oid"])
    return RemoteFile(
        path=path,
        uri=f"hf://{repository}/{path}",
        url=f"{base}/{quote(path)}",
        sign=lambda: headers,
        size=int((large or entry)["size"]),
        digest=digest,
        version=f"{commit} {digest.hex}",
    )
