"""The seam between a kind of source and the rest of `fetch`: what each is given. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from inferfleet_runtime.contract import Source
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.credentials import Credentials
from inferfleet_runtime.weights.sources.http_client import Answer, Http, shown

Wants = Literal["gguf", "directory"]


@dataclass(frozen=True)
class Asked:
    """A source, and what it may be asked with."""

    source: Source
    credentials: Credentials
    env: Mapping[str, str]
    http: Http

    @property
    def uri(self) -> str:
        """What the user wrote."""
        return self.source.uri


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Of `s3://bucket/key` and `gs://bucket/key`; the key may be empty."""
    parts = urlsplit(uri, allow_fragments=False)
    # urlsplit takes a question mark for the start of a query; in a key it is a character like any other
    key = parts.path + (f"?{parts.query}" if parts.query else "")
    if not parts.netloc:
        raise CommandError(f"{uri}: names no bucket; write {parts.scheme}://bucket/key")
    return parts.netloc, unquote(key.removeprefix("/"))


def endpoint(given: str, uri: str) -> str:
    """A base address from the environment, without a slash at its end."""
    if not given.startswith(("http://", "https://")):
        raise CommandError(f"{uri}: the endpoint {given} is no http or https address")
    return given.rstrip("/")


def refused(uri: str, answer: Answer, advice: str = "check the source of the model") -> CommandError:
    """An error of HTTP as a sentence; `answer` was none that can be used."""
    reason = answer.headers.get("x-error-message") or " ".join(answer.body[:200].decode("utf-8", "replace").split())
    said = f" ({reason})" if reason and not reason.startswith("<!") else ""
    if answer.status in (401, 403):
        advice = "check the credentials of the source, and whether they may read it"
    return CommandError(f"{shown(uri)}: {shown(answer.url)}: HTTP {answer.status}{said}; {advice}")


def inside(path: str, uri: str) -> str:
    """A path from a listing, refused where it would leave the folder that it is written to."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise CommandError(f"{uri}: lists a file {path!r}, which would leave its folder")
    return str(pure)
