"""Talks to a registry: names, tokens and manifests. Reads the network.

By the distribution specification of the Open Container Initiative. Who asks: the Secret of the source (a
`.dockerconfigjson`, or `user:password`), else anybody. `INFERFLEET_REGISTRY_MIRRORS` says where a registry is asked
instead: `registry.example.com=https://mirror.example.com,...`; http only where it is written there.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.http_client import Answer
from inferfleet_runtime.weights.sources.seam import Asked, endpoint, refused

_REFERENCE = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(:[0-9]+)?)/(?P<repository>[a-z0-9][-a-z0-9._/]*)"
    r"(:(?P<tag>[A-Za-z0-9_][-A-Za-z0-9._]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LASTS = 60.0
"""Seconds that a token is good for where the registry does not say (distribution specification of tokens)."""


@dataclass(frozen=True)
class Reference:
    """`host/repository:tag@digest`."""

    host: str
    repository: str
    name: str
    """Digest where there is one, else the tag."""


def parse(uri: str) -> Reference:
    """Of an `oci://` URI, whatever follows a `#` left out. Raises CommandError."""
    text = uri.removeprefix("oci://").partition("#")[0]
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise CommandError(f"{uri}: must be oci://registry/image:tag or oci://registry/image@sha256:digest")
    return Reference(found["host"], found["repository"], found["digest"] or found["tag"] or "latest")


@dataclass
class Registry:
    """One repository of one registry."""

    asked: Asked
    reference: Reference
    _authorization: str = field(default="", repr=False)
    _until: float = float("inf")
    _challenge: str = ""

    @property
    def base(self) -> str:
        """Address of the repository."""
        mirrors = dict(
            pair.split("=", 1)
            for pair in self.asked.env.get("INFERFLEET_REGISTRY_MIRRORS", "").split(",")
            if "=" in pair
        )
        host = endpoint(mirrors.get(self.reference.host, f"https://{self.reference.host}"), self.asked.uri)
        return f"{host}/v2/{self.reference.repository}"

    def headers(self) -> Mapping[str, str]:
        """What a request carries now."""
        if self._challenge and self.asked.http.clock.now() >= self._until:
            self._authorize(self._challenge)
        return {"Authorization": self._authorization} if self._authorization else {}

    def manifest(self, name: str) -> tuple[dict[str, Any], str]:
        """By tag or digest, and its own digest; one that was asked for is verified. Raises CommandError."""
        url = f"{self.base}/manifests/{name}"
        answer = self._get(url)
        if answer.status == 401 and not self._authorization:
            self._authorize(answer.headers.get("www-authenticate", ""))
            answer = self._get(url)
        if answer.status != 200:
            raise refused(self.asked.uri, answer)
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if name.startswith("sha256:") and digest != name:
            raise CommandError(f"{self.asked.uri}: the registry's manifest {name} is another one: it was replaced")
        content = answer.json()
        if not isinstance(content, dict):
            raise CommandError(f"{self.asked.uri}: {url} answers with no manifest")
        return content, digest

    def _get(self, url: str) -> Answer:
        return self.asked.http.get(url, lambda: {"Accept": _MANIFESTS, **self.headers()})

    def _authorize(self, challenge: str) -> None:
        basic, now = _basic(self.asked, self.reference.host), self.asked.http.clock.now()
        if not challenge.lower().startswith("bearer"):
            self._authorization = basic
            return
        said = dict(_CHALLENGE.findall(challenge))
        realm = said.get("realm", "")
        if not realm.startswith("https://") and not self.base.startswith("http://"):
            raise CommandError(f"{self.asked.uri}: the registry sends for a token to {realm}, which is not https")
        query = {"scope": said.get("scope") or f"repository:{self.reference.repository}:pull"}
        query |= {"service": said["service"]} if "service" in said else {}
        answer = self.asked.http.get(f"{realm}?{urlencode(query)}", lambda: {"Authorization": basic} if basic else {})
        if answer.status != 200:
            raise refused(self.asked.uri, answer)
        content = answer.json()
        self._challenge, self._authorization = (
            challenge,
            f"Bearer {content.get('token') or content.get('access_token')}",
        )
        self._until = now + 0.8 * float(content.get("expires_in", _LASTS))


def _basic(asked: Asked, host: str) -> str:
    if not asked.credentials.given:
        return ""
    text = asked.credentials.main()
    pair = _of_docker_config(text, host, asked.uri) if text.startswith("{") else text
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _of_docker_config(text: str, host: str, uri: str) -> str:
    try:
        entries: dict[str, dict[str, str]] = json.loads(text)["auths"]
        for name, entry in entries.items():
            if name.removeprefix("https://").partition("/")[0] == host:
                if "auth" in entry:
                    return base64.b64decode(entry["auth"], validate=True).decode()
                return f"{entry['username']}:{entry['password']}"
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise CommandError(f"{uri}: the Secret's key is no .dockerconfigjson: {type(error).__name__}") from error
    raise CommandError(f"{uri}: the Secret's .dockerconfigjson has nothing for {host}")
