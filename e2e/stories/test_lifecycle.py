"""What an administrator does with the whole, as docs/operations.md says: install, back up, restore, remove."""

import json
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from e2e import install
from e2e.access import reach
from e2e.cluster.provider import Cluster
from e2e.stories import alone
from e2e.stories.alone import DEFINITIONS, OWNED, Admin
from e2e.stories.space import Obj, Space

CHILDREN = "deployments,replicasets,services,configmaps,pods"
PLACED = ("inferfleet.io/model", "inferfleet.io/class", "inferfleet.io/pool", "inferfleet.io/variant")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with alone.own_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def images(cluster: Cluster) -> install.Images:
    return install.by_default_names(cluster, install.load_images(cluster))


@pytest.fixture
def admin(cluster: Cluster, images: install.Images, tmp_path: Path) -> Admin:
    """On a cluster with nothing of ours."""
    admin = Admin(cluster, tmp_path)
    admin.wants(images)
    admin.wipe()
    return admin


@pytest.fixture
def installed(admin: Admin, images: install.Images) -> Admin:
    """With default values."""
    admin.follow("install")
    _leads(admin, images)
    return admin


def _leads(admin: Admin, images: install.Images) -> None:
    Space(admin.cluster, "default").wait("an operator to lead", lambda: alone.leader(admin.cluster) == images.operator)


def _quickstart(admin: Admin) -> Space:
    """In a namespace `demo` that admits nothing but what is restricted, as a user would; Ready."""
    space = admin.space("demo")
    space.kubectl("apply", "-f", str(install.ROOT / "examples" / "quickstart"))
    space.ready()
    return space


def _answer(space: Space) -> str:
    with reach(space.cluster, space.namespace, "demo-chat") as url:
        client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=60)
        asked = [{"role": "user", "content": "What is a Kubernetes operator?"}]
        found = client.chat.completions.create(model="demo", messages=asked, max_tokens=16)  # type: ignore[arg-type]
        return str(found.choices[0].message.content).strip()


def _objects(space: Space, kinds: str) -> list[Obj]:
    found: list[Obj] = json.loads(space.kubectl("get", kinds, "-l", OWNED, "-o", "json"))["items"]
    return found


def _generations(space: Space) -> dict[str, tuple[str, int]]:
    """uid and generation of what the operator deploys: a rollout would make another one."""
    found = _objects(space, "deployments,replicasets")
    return {o["metadata"]["name"]: (o["metadata"]["uid"], o["metadata"]["generation"]) for o in found}


def _placements(space: Space) -> set[tuple[str, ...]]:
    """Model, class, pool and variant of every Deployment."""
    return {tuple(o["metadata"]["labels"][label] for label in PLACED) for o in _objects(space, "deployments")}


def _owners(space: Space) -> set[str]:
    """Uids that own the children, which are more than none."""
    found = _objects(space, "deployments,services,configmaps")
    assert found
    return {owner["uid"] for o in found for owner in o["metadata"].get("ownerReferences", [{"uid": "nobody"}])}


def _admits_without_a_word(cluster: Cluster, namespace: str, objects: list[Obj]) -> None:
    """The API server accepts the objects again, and any warning is an error."""
    assert objects
    bare = [o | {"metadata": {k: v for k, v in o["metadata"].items() if k in ("name", "labels")}} for o in objects]
    for obj in bare:
        obj.pop("status", None)
    options = ("--server-side", "--force-conflicts", "--dry-run=server", "--warnings-as-errors", "-f", "-")
    cluster.kubectl(
        "apply",
        "--namespace",
        namespace,
        *options,
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bare}),
    )


def _words_against(cluster: Cluster) -> list[str]:
    """Events that tell of pods not admitted."""
    events = json.loads(cluster.kubectl("get", "events", "--all-namespaces", "-o", "json"))["items"]
    return [
        e.get("message", "")
        for e in events
        if "PodSecurity" in e.get("message", "") or e.get("reason") == "FailedCreate"
    ]


def test_default_values_give_a_working_quickstart_where_only_restricted_pods_are_admitted(installed: Admin) -> None:
    space = _quickstart(installed)
    assert _answer(space)
    for namespace in (install.SYSTEM, space.namespace):
        level = "pod-security.kubernetes.io/warn=restricted"
        installed.cluster.kubectl("label", "namespace", namespace, level)
        found = json.loads(installed.cluster.kubectl("get", "deployments", "--namespace", namespace, "-o", "json"))
        _admits_without_a_word(installed.cluster, namespace, found["items"])
    assert _words_against(installed.cluster) == []
    assert "Phase:          Succeeded" in install.helm(installed.cluster, "test", "inferfleet", "--logs")


@pytest.mark.slow
def test_uninstalling_the_operator_stops_nothing_and_installing_it_again_adopts_what_runs(
    installed: Admin, images: install.Images
) -> None:
    space = _quickstart(installed)
    alone.settled(space)
    before = alone.stored(installed.cluster), alone.running(installed.cluster), _generations(space)

    installed.follow("uninstall")
    space.wait("no operator", lambda: not alone.leader(installed.cluster))
    assert _answer(space)
    install.install(installed.cluster, images)
    _leads(installed, images)
    space.ready()
    alone.settled(space)
    stored, running, generations = before
    found = alone.stored(installed.cluster)
    assert {name: found.get(name) for name in stored} == stored
    assert (alone.running(installed.cluster), _generations(space)) == (running, generations)


@pytest.mark.slow
def test_deleting_a_definition_by_mistake_is_refused_with_words(installed: Admin) -> None:
    for name in DEFINITIONS:
        said = alone.refused(installed.cluster, "delete", "customresourcedefinition", name)
        assert "inferfleet.io/allow-deletion" in said
    install.helm(installed.cluster, "uninstall", "inferfleet-crds", "--wait")
    assert len(installed.cluster.kubectl("get", "crd", *DEFINITIONS, "-o", "name").split()) == len(DEFINITIONS)


@pytest.mark.slow
def test_what_was_backed_up_is_the_same_fleet_after_everything_was_removed(
    installed: Admin, images: install.Images
) -> None:
    space = _quickstart(installed)
    alone.settled(space)
    specs, placements = _specs(installed.cluster), _placements(space)
    installed.follow("backup")

    installed.follow("remove")
    assert _objects(space, CHILDREN) == []
    assert alone.traces(installed.cluster) == []

    installed.follow("restore")
    _leads(installed, images)
    space.ready()
    alone.settled(space)
    assert _specs(installed.cluster) == specs
    assert _placements(space) == placements
    assert _owners(space) == {space.model()["metadata"]["uid"]}
    assert _answer(space)


def _specs(cluster: Cluster) -> dict[str, str]:
    return {name: obj["spec"] for name, obj in alone.stored(cluster).items()}


@pytest.mark.slow
def test_a_model_created_again_adopts_what_its_predecessor_left_serving(installed: Admin) -> None:
    space = _quickstart(installed)
    alone.settled(space)
    uid, running = space.model()["metadata"]["uid"], alone.running(installed.cluster)

    installed.follow("replace")
    space.ready()
    alone.settled(space)
    model = space.model()
    assert model["metadata"]["uid"] != uid
    assert _owners(space) == {model["metadata"]["uid"]}
    assert alone.running(installed.cluster) == running
    assert _answer(space)

    space.kubectl("delete", "model", "demo")
    space.wait("nothing left", lambda: not _objects(space, CHILDREN), 120)


@pytest.mark.slow
def test_plain_manifests_install_the_same_and_can_be_removed(admin: Admin, images: install.Images) -> None:
    admin.follow("overlay", OPERATOR=images.operator, RUNTIME=images.runtime)
    admin.follow("plain")
    _leads(admin, images)
    space = _quickstart(admin)
    assert _answer(space)
    assert _words_against(admin.cluster) == []
    admin.follow("remove-plain")
    space.wait("nothing left", lambda: not _objects(space, CHILDREN), 120)
    assert alone.traces(admin.cluster) == []
