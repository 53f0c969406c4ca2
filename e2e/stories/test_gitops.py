"""Flux owns the files, the operator the replicas: no drift, no fight, and git is obeyed."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from e2e import install, load
from e2e.access import reach
from e2e.cluster import host, running
from e2e.cluster.provider import Cluster
from e2e.gitops import flux, git, layout
from e2e.gitops.layout import CLASSES, FLEET, MODEL, TEAM, Obj, Repositories
from e2e.stories.space import Space

pytestmark = pytest.mark.slow

OWNED = "inferfleet.io/managed=true"
CHILDREN = "deployments,services,configmaps,poddisruptionbudgets,networkpolicies"
USERS = ("hardwarepool/cpu-small", "workloadclass/small-chat", "model/demo")
"""What git holds and Flux applies."""
FLUX = "kustomize-controller"
"""Its field manager."""
ROUNDS = 5
"""Of Flux over a Model, at least, for its silence to mean something."""


@pytest.fixture(scope="module")
def with_flux(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with Flux, which goes with this file's last story."""
    if cluster.provider != "local":
        pytest.skip("Flux's pods fetch from a git server of this process, which only a local cluster's pods can reach")
    host.ensure(git.NEEDS)
    flux.install(cluster)
    yield cluster
    flux.remove(cluster)


@dataclass(frozen=True)
class Fleet:
    """The documented layout in git, read by Flux."""

    space: Space
    git: Repositories
    declared: list[Obj]
    """Flux's own objects."""
    began: str
    """Time, for logs."""

    def start(self) -> None:
        """Let Flux read it."""
        declared = {"apiVersion": "v1", "kind": "List", "items": self.declared}
        self.space.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(declared))

    def kustomization(self, name: str = TEAM) -> Obj:
        """Flux's object of one repository."""
        namespace = flux.NAMESPACE if name == FLEET else self.space.namespace
        text = self.space.cluster.kubectl("get", "kustomization", name, "--namespace", namespace, "-o", "json")
        found: Obj = json.loads(text)
        return found

    def ready(self, name: str = TEAM) -> tuple[str, str]:
        """Status and message of the condition Ready; Unknown while Flux is at it."""
        conditions = self.kustomization(name).get("status", {}).get("conditions", [])
        found = next((c for c in conditions if c["type"] == "Ready"), {"status": "Unknown", "message": ""})
        return found["status"], f"{found.get('reason', '')}: {found['message']}"

    def check_content(self) -> None:
        """Fails where Flux complains. That it is at the dependency again, every two seconds, is no complaint."""
        for name in (FLEET, TEAM):
            status, message = self.ready(name)
            assert status != "False" or message.startswith("DependencyNotReady: "), message

    def applied(self, revision: str, name: str = TEAM) -> None:
        """Wait until Flux applied a commit and found all of it healthy."""

        def there() -> bool:
            status = self.kustomization(name).get("status", {})
            return bool(status.get("lastAppliedRevision", "").endswith(revision) and self.ready(name)[0] == "True")

        self.space.wait(f"Flux at {revision}", there)

    def serving(self) -> None:
        """Start, and wait until Flux is content."""
        self.start()
        self.space.wait("Flux", lambda: self.ready()[0] == "True", 300)


@pytest.fixture
def fleet(with_flux: Cluster, space: Space, tmp_path: Path) -> Iterator[Fleet]:
    """Both repositories with a first commit, served, and unread."""
    repositories = layout.repositories(tmp_path)
    layout.edit(repositories.platform, CLASSES, _patient)
    layout.edit(repositories.team, MODEL, lambda o: o["spec"]["workloads"][0]["replicas"].update(max=2))
    repositories.platform.commit("The platform's first")
    repositories.team.commit("The team's first")
    address = str(running.load_spec(with_flux.state).host_address)
    with git.serve(tmp_path, address) as base:
        yield Fleet(space, repositories, layout.objects(base, space.namespace), datetime.now(UTC).isoformat())
        # While the source and the team's ServiceAccount are there: Flux prunes with them.
        space.kubectl("delete", "kustomizations", "--all", "--timeout=120s")
        with_flux.kubectl("delete", "kustomizations", "--all", "--namespace", flux.NAMESPACE, "--timeout=120s")


def _patient(class_: Obj) -> None:
    """Little load is enough for a second replica, and no silence takes it away."""
    class_["spec"]["serving"]["maxBatchSize"] = 2
    class_["spec"]["scaling"] |= {"scaleInDelay": "30m", "drain": "5s"}


def _replicas(space: Space) -> int:
    return sum(p["ready"] for p in space.model().get("status", {}).get("placements", []))


def _generations(space: Space, *kinds: str) -> dict[str, int]:
    """By kind and name, of the user's objects or of the given kinds' managed ones."""
    arguments = (",".join(kinds), "-l", OWNED) if kinds else USERS
    found = json.loads(space.kubectl("get", *arguments, "-o", "json"))["items"]
    return {f"{o['kind']}/{o['metadata']['name']}": o["metadata"]["generation"] for o in found if _counted(o)}


def _counted(obj: Obj) -> bool:
    """Whether the API server counts its changes; it does not for a ConfigMap or Service."""
    return "generation" in obj["metadata"]


def _owners(space: Space) -> set[tuple[str, str]]:
    """Who owns fields of the user's objects: manager and subresource."""
    text = space.kubectl("get", *USERS, "--show-managed-fields", "-o", "json")
    entries = [e for o in json.loads(text)["items"] for e in o["metadata"]["managedFields"]]
    for entry in entries:
        if entry.get("subresource") == "status":
            assert set(entry["fieldsV1"]) == {"f:status"}
    return {(entry["manager"], entry.get("subresource", "")) for entry in entries}


def _done(fleet: Fleet) -> list[str]:
    """What Flux did to objects of our kinds in this story, in its own log: `Kind/name verb`, in order."""
    arguments = ("--namespace", flux.NAMESPACE, f"deployment/{FLUX}", f"--since-time={fleet.began}")
    log = fleet.space.cluster.kubectl("logs", *arguments)
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    outputs = [line["output"] for line in lines if isinstance(line.get("output"), dict)]
    ours = ("HardwarePool/", "WorkloadClass/", f"Model/{fleet.space.namespace}/")
    return [f"{name} {verb}" for output in outputs for name, verb in output.items() if name.startswith(ours)]


def _under_load(space: Space, what: str, check: Callable[[], Any]) -> None:
    (service,) = space.list("services", OWNED)
    stop = asyncio.Event()

    async def drive(url: str) -> load.Result:
        wanted = load.Load((url,), "demo", clients=8, prompt_tokens=32, output_tokens=64, seconds=300)
        sending = asyncio.create_task(load.run(wanted, stop))
        try:
            await asyncio.to_thread(space.wait, what, check, 280)
        finally:
            stop.set()
        return await sending

    with reach(space.cluster, space.namespace, service["metadata"]["name"]) as url:
        result = asyncio.run(drive(url))
    assert result.requests > 0
    assert result.failed == 0, result.errors


def _scale_out(fleet: Fleet) -> None:
    """To two replicas, while Flux reconciles every two seconds and never complains."""

    def two() -> bool:
        fleet.check_content()
        return _replicas(fleet.space) == 2

    _under_load(fleet.space, "a second replica", two)


def test_flux_knows_every_field_of_the_documented_layout(with_flux: Cluster) -> None:
    arguments = ("apply", "--dry-run=server", "--validate=strict", "-f")
    cluster_folder = layout.LAYOUT / layout.PLATFORM / "clusters" / "production"
    told = with_flux.kubectl(*arguments, str(cluster_folder / "inferfleet.yaml"))
    assert "kustomization.kustomize.toolkit.fluxcd.io/inferfleet created" in told


def test_flux_is_content_when_the_model_is_ready_and_not_before(fleet: Fleet) -> None:
    fleet.start()
    early: list[str] = []

    def content() -> bool:
        flux_says, _ = fleet.ready()  # first, so that a Model that gets ready in between is no contradiction
        model = fleet.space.get("model", "demo")
        ready = model is not None and fleet.space.condition("Ready").get("status") == "True"
        if flux_says == "True" and not ready:
            early.append(json.dumps(model and model.get("status")))
        return flux_says == "True" and ready

    fleet.space.wait("Flux", content, 300)
    assert not early
    healthy = next(c for c in fleet.kustomization()["status"]["conditions"] if c["type"] == "Healthy")
    assert healthy["status"] == "True"


def test_nobody_drifts_while_the_fleet_scales(fleet: Fleet) -> None:
    space = fleet.space
    fleet.serving()
    before = _generations(space)
    assert _owners(space) == {(FLUX, ""), ("inferfleet-status", "status")}
    _scale_out(fleet)
    assert _generations(space) == before
    _apply_again_as_another(fleet)
    _upgrade_again(space)
    revision = _obeyed(fleet)
    fleet.applied(revision, FLEET)
    space.wait("one replica", lambda: _replicas(space) == 1)
    assert _generations(space) == before | {"WorkloadClass/small-chat": before["WorkloadClass/small-chat"] + 1}
    assert _owners(space) == {(FLUX, ""), ("ci", ""), ("inferfleet-status", "status")}
    done = _done(fleet)
    model = f"Model/{space.namespace}/demo"
    assert done.count(f"{model} unchanged") >= ROUNDS
    assert sorted(d for d in done if not d.endswith(" unchanged")) == [
        "HardwarePool/cpu-small created",
        f"{model} created",
        "WorkloadClass/small-chat configured",
        "WorkloadClass/small-chat created",
    ]


def _apply_again_as_another(fleet: Fleet) -> None:
    """A pipeline applies the same files, twice; two replicas run where the files say at least one."""
    space, before = fleet.space, _generations(fleet.space)
    for folder in (fleet.git.platform.folder / "fleet", fleet.git.team.folder):
        arguments = ("--server-side", "--field-manager=ci", "-k", str(folder))
        for _ in range(2):
            space.kubectl("apply", *arguments)
        assert space.kubectl("diff", *arguments) == ""
    assert _generations(space) == before
    assert _replicas(space) == 2


def _upgrade_again(space: Space) -> None:
    """`helm upgrade` with the same values, twice."""
    system = ("--namespace", install.SYSTEM, "get", "replicasets", "-o", "name")
    before = _generations(space), _generations(space, CHILDREN), space.cluster.kubectl(*system)
    for release, chart in (("inferfleet-crds", install.TREE.crds), ("inferfleet", install.TREE.operator)):
        for _ in range(2):
            install.helm(space.cluster, *install.UPGRADE, release, str(chart), "--reuse-values")
    assert (_generations(space), _generations(space, CHILDREN), space.cluster.kubectl(*system)) == before


def _obeyed(fleet: Fleet) -> str:
    """The platform team loses its patience, in git; returns the revision."""
    layout.edit(fleet.git.platform, CLASSES, lambda o: o["spec"]["scaling"].update(scaleInDelay="5s"))
    return fleet.git.platform.commit("Scale in after five seconds")


def test_git_is_obeyed_a_mistake_is_refused_in_our_words_and_what_is_removed_goes(fleet: Fleet) -> None:
    space = fleet.space
    fleet.serving()
    pods = _pods(space)
    layout.edit(fleet.git.team, MODEL, lambda o: o["spec"]["workloads"][0]["replicas"].update(min=3))
    fleet.git.team.commit("At least three, though at most two")
    space.wait("the refusal", lambda: "max must not be below min" in fleet.ready()[1])
    assert fleet.ready()[0] != "True"
    assert _pods(space) == pods
    assert space.condition("Ready")["status"] == "True"

    layout.edit(fleet.git.team, MODEL, lambda o: o["spec"]["workloads"][0]["replicas"].update(min=2))
    fleet.applied(fleet.git.team.commit("Two"))
    assert _replicas(space) == 2
    assert pods < _pods(space)

    layout.edit(fleet.git.team, "kustomization.yaml", lambda o: o.update(resources=[]))
    (fleet.git.team.folder / MODEL).unlink()
    fleet.git.team.commit("No Model any more")
    space.wait("nothing left", lambda: not space.list(f"models,{CHILDREN},pods", OWNED), 120)
    assert space.get("model", "demo") is None


def _pods(space: Space) -> set[str]:
    return {p["metadata"]["uid"] for p in space.list("pods", OWNED)}
