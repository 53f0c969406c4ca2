"""Puts the project on a cluster as a user would: images, both charts with Helm, then YAML. Writes."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.cluster import binaries, images, provider
from e2e.cluster.provider import Cluster
from e2e.cluster.shell import Say, locked, run, say
from e2e.models import stdlib, tiny
from inferfleet import __version__

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "build" / "models"
SYSTEM = "inferfleet-system"
MODEL_REF = "inferfleet.local/models/stdlib:1"
"""What examples/quickstart names: the small model that the project trained."""
RANDOM_REF = "inferfleet.local/models/demo:1"
"""What the stories and examples/gitops name: random weights, whose answers never end before they must."""

UPGRADE = ("upgrade", "--install", "--wait", "--timeout=180s")


@dataclass(frozen=True)
class Charts:
    """Where Helm takes the two charts from: folders or packages."""

    crds: Path
    operator: Path


TREE = Charts(ROOT / "charts/inferfleet-crds", ROOT / "charts/inferfleet")
"""This working tree's."""


@dataclass(frozen=True)
class Images:
    """Names of what the cluster runs."""

    operator: str
    runtime: str


def load_images(cluster: Cluster, environ: Mapping[str, str] = os.environ, say: Say = say) -> Images:
    """Build the two images and those of the models, and put them on the nodes.

    An existing cluster pulls from a registry: INFERFLEET_OPERATOR_IMAGE and INFERFLEET_RUNTIME_IMAGE
    name what was pushed there, and the quickstart's model must be pushed under its own name.
    """
    given = environ.get("INFERFLEET_OPERATOR_IMAGE"), environ.get("INFERFLEET_RUNTIME_IMAGE")
    if given[0] and given[1]:
        return Images(given[0], given[1])
    operator, runtime = (
        provider.load(cluster, images.build(name, say=say).archive, say=say) for name in ("operator", "runtime")
    )
    for model in (trained_model(), random_model(say)):
        provider.load(cluster, model.archive, say=say)
    return Images(operator, runtime)


def by_default_names(cluster: Cluster, found: Images) -> Images:
    """The same images under the names that the chart has by default, where the cluster lets us name them."""
    wanted = {"operator": found.operator, "runtime": found.runtime}
    names = {part: f"{images.REGISTRY}/{part}:{__version__}" for part in wanted}
    tagged = all(provider.tag(cluster, image, names[part]) for part, image in wanted.items())
    return Images(**names) if tagged else found


def trained_model() -> images.Image:
    """The quickstart's model, packed anew only when it changed. Safe for several processes at once."""
    recipe = hashlib.sha256(stdlib.MODEL.read_bytes()).hexdigest()[:16]
    return _made(MODELS / f"stdlib-{recipe}.tar", MODEL_REF, lambda _: stdlib.MODEL)


def random_model(say: Say = say) -> images.Image:
    """The stories' model, made anew only when its recipe changed. Safe for several processes at once."""
    recipe = hashlib.sha256(Path(tiny.__file__).read_bytes() + tiny.TOKENIZER.read_bytes()).hexdigest()[:16]

    def make(folder: Path) -> Path:
        say("making a model of random weights for the stories, 0.1 GB, a few seconds")
        return tiny.make(folder / "demo.gguf", preset="demo")

    return _made(MODELS / f"demo-{recipe}.tar", RANDOM_REF, make)


def _made(archive: Path, ref: str, weights: Callable[[Path], Path]) -> images.Image:
    with locked(MODELS / ".lock"):
        if not archive.exists():
            for old in MODELS.glob(f"{archive.name.partition('-')[0]}-*.tar"):
                old.unlink()
            with TemporaryDirectory(prefix=".making-", dir=MODELS) as scratch:
                fresh = images.model_image(weights(Path(scratch)), ref, Path(scratch) / archive.name)
                fresh.archive.rename(archive)
    return images.Image(ref, archive)


def install(cluster: Cluster, found: Images, say: Say = say, charts: Charts = TREE) -> None:
    """Both charts, waiting until the operator is up; what is installed already is upgraded."""
    say("installing the charts inferfleet-crds and inferfleet with Helm")
    helm(cluster, *UPGRADE, "--create-namespace", "inferfleet-crds", str(charts.crds), say=say)
    helm(cluster, *UPGRADE, "inferfleet", str(charts.operator), *values(found), say=say)


def helm(cluster: Cluster, *arguments: str, say: Say = say) -> str:
    """Helm in the operator's namespace; returns what it printed."""
    program = binaries.ensure(["helm"], say=say)["helm"]
    return run([program, "--kubeconfig", cluster.kubeconfig, "--namespace", SYSTEM, *arguments])


def values(found: Images) -> list[str]:
    """The flags that name the images, which are all that must be set. Pure."""
    named = {"image": split(found.operator), "runtime.image": split(found.runtime)}
    return [f"--set={key}.{part}={text}" for key, parts in named.items() for part, text in parts.items()]


def split(image: str) -> dict[str, str]:
    """An image's name as the charts' values have it. Pure."""
    repository, _, tag = image.rpartition(":")
    return {"repository": repository, "tag": tag}


def apply(cluster: Cluster, path: Path, namespace: str) -> None:
    """kubectl apply of a file or folder, into a namespace that is made if absent."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))
    cluster.kubectl("apply", "--namespace", namespace, "-f", str(path))
