"""A real API server to which the charts can be applied; not that of the API-server ring, since CRDs are deleted here.

INFERFLEET_SKIP_APISERVER=1 skips what needs it.
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from apiserver.control_plane import BINARIES, ControlPlane
from chart.helm import CRDS, Obj, helm, render

from e2e.charts import NAMESPACE
from e2e.cluster.binaries import ensure

WAIT_SECONDS = 60


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    words: str
    """Standard error: errors and warnings."""


@dataclass(frozen=True)
class Server:
    """kubectl and helm as administrator of an empty cluster without nodes."""

    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str = "") -> Said:
        """Run it, whatever comes of it."""
        return self._run(ensure(["kubectl"])["kubectl"], *arguments, stdin=stdin)

    def helm(self, *arguments: str) -> Said:
        """In the operator's namespace."""
        return self._run(helm(), "--namespace", NAMESPACE, *arguments)

    def apply(self, objects: list[Obj], *flags: str) -> Said:
        """Server-side, by the manager `kubectl`."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        return self.kubectl("apply", "--server-side", "--filename=-", *flags, stdin=text)

    def _run(self, program: Path, *arguments: str, stdin: str = "") -> Said:
        command = [str(program), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if os.environ.get("INFERFLEET_SKIP_APISERVER") == "1":
        pytest.skip("INFERFLEET_SKIP_APISERVER=1")
    plane = ControlPlane(tmp_path_factory.mktemp("charts-control-plane"), ensure(BINARIES))
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="session")
def server(control_plane: ControlPlane) -> Server:
    """With the definitions, their guard, and the operator's namespace."""
    found = Server(control_plane.kubeconfig)
    _must(found.apply(render(chart=CRDS)))
    definitions = [o["metadata"]["name"] for o in render(chart=CRDS) if o["kind"] == "CustomResourceDefinition"]
    _must(found.kubectl("wait", "--for=condition=Established", f"--timeout={WAIT_SECONDS}s", "crd", *definitions))
    _must(found.apply([namespace(NAMESPACE)]))
    return found


def namespace(name: str) -> Obj:
    """One that admits restricted pods only, and warns about what would make others."""
    modes = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": modes}}


def _must(said: Said) -> None:
    assert said.code == 0, said.words


@pytest.fixture
def must() -> Callable[[Said], None]:
    """Fails the test with the command's words."""
    return _must
