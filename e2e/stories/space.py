"""A user with kubectl in a namespace."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from e2e.cluster.provider import Cluster

Obj = dict[str, Any]


@dataclass(frozen=True)
class Space:
    """A namespace and what a user does in it."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl in this namespace."""
        return self.cluster.kubectl("--namespace", self.namespace, *arguments, stdin=stdin)

    def apply(self, *objects: Obj) -> None:
        """kubectl apply."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, kind: str, name: str) -> Obj | None:
        """The object, or None."""
        text = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text else None

    def list(self, kind: str, selector: str = "") -> list[Obj]:
        """Objects by label."""
        found: list[Obj] = json.loads(self.kubectl("get", kind, "-l", selector, "-o", "json"))["items"]
        return found

    def model(self, name: str = "demo") -> Obj:
        """The Model, which must be there."""
        found = self.get("model", name)
        assert found, f"no Model {name} in {self.namespace}"
        return found

    def condition(self, type_: str, name: str = "demo") -> Obj:
        """One condition; empty before it is written."""
        conditions = self.model(name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})

    def wait(self, what: str, check: Callable[[], Any], seconds: float = 180.0) -> Any:
        """Poll until `check` returns something true; fails with the Model's own words."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := check():
                return found
            time.sleep(0.2)
        told = self.kubectl("get", "models", "-o", "jsonpath={range .items[*]}{.status.conditions}{end}")
        pytest.fail(f"waited {seconds:.0f} s for {what}; conditions: {told}")

    def ready(self, name: str = "demo") -> Obj:
        """Wait until the Model is Ready, and return it."""
        self.wait(f"Model {name} Ready", lambda: self.condition("Ready", name).get("status") == "True")
        return self.model(name)
