"""An API server as a user's client sees it: whole answers, where `inferfleet.kube` keeps only what an operator needs.

Sends HTTP to a control plane of this machine.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from apiserver.control_plane import ControlPlane

from inferfleet.kube.kinds import Kind, Obj

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
STRICT = {"fieldValidation": "Strict", "fieldManager": "a-user"}
DRY_RUN = {"dryRun": "All"}


@dataclass(frozen=True)
class Answer:
    """What the server said to one request."""

    code: int
    body: Obj
    warnings: tuple[str, ...]
    """The texts of its Warning headers, which kubectl prints."""

    @property
    def ok(self) -> bool:
        return self.code < 300

    @property
    def lines(self) -> tuple[str, ...]:
        """What a user reads of a refusal, sorted: kubectl prints one line for each cause, else the message."""
        causes = (self.body.get("details") or {}).get("causes") or ()
        told = [f"{cause.get('field', '')}: {cause['message']}" for cause in causes]
        return () if self.ok else tuple(sorted(told or [self.body["message"]]))


@dataclass
class Server:
    """One kept-open connection of an administrator. Close it when done."""

    plane: ControlPlane
    name: str
    """`newest` or `oldest`."""
    _connection: http.client.HTTPSConnection | None = field(default=None)

    def create(self, kind: Kind, obj: Obj, *, keep: bool = False) -> Answer:
        """As `kubectl create`; unless to `keep`, the server only says what it would do."""
        path = kind.path(obj["metadata"].get("namespace", ""))
        return self.send("POST", path, obj, STRICT if keep else STRICT | DRY_RUN)

    def replace(self, kind: Kind, obj: Obj) -> Answer:
        """As `kubectl replace --dry-run=server`."""
        return self.send("PUT", kind.path(*_key(obj)), obj, STRICT | DRY_RUN)

    def apply(self, kind: Kind, obj: Obj) -> Answer:
        """As `kubectl apply --server-side --dry-run=server`."""
        return self.send("PATCH", kind.path(*_key(obj)), obj, STRICT | DRY_RUN | {"force": "true"}, APPLY)

    def get(self, path: str) -> Answer:
        return self.send("GET", path, None, {})

    def delete(self, kind: Kind, obj: Obj) -> Answer:
        return self.send("DELETE", kind.path(*_key(obj)), None, {})

    def send(self, method: str, path: str, body: Any, query: Mapping[str, str], content_type: str = JSON) -> Answer:
        """One request on the connection that is kept."""
        if self._connection is None:
            self._connection = _connect(self.plane)
        text = None if body is None else json.dumps(body)
        url = f"{path}?{urlencode(query)}" if query else path
        self._connection.request(method, url, text, {"Content-Type": content_type, "Accept": JSON})
        response = self._connection.getresponse()
        warnings = tuple(w.split('"')[1] for w in response.headers.get_all("Warning") or ())
        return Answer(response.status, json.loads(response.read()), warnings)

    def close(self) -> None:
        if self._connection:
            self._connection.close()


def _key(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _connect(plane: ControlPlane) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=plane.folder / "ca.crt")
    context.load_cert_chain(plane.folder / "admin.crt", plane.folder / "admin.key")
    host, _, port = plane.server.removeprefix("https://").partition(":")
    return http.client.HTTPSConnection(host, int(port), timeout=60, context=context)
