"""Which cluster the stories are told on: one that exists, kind's, or the local one. Reads and writes."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal, get_args

from e2e.cluster import binaries, kind, local, oci, registry, running
from e2e.cluster.shell import ClusterError, Say, run, say
from e2e.cluster.spec import check_name

Provider = Literal["existing", "kind", "local"]
CLUSTERS = Path(__file__).parents[2] / "build" / "clusters"
VARIABLE = "INFERFLEET_CLUSTER"


@dataclass(frozen=True)
class Options:
    """What the user asked for. `None` and "" leave the choice to us."""

    name: str = "inferfleet"
    folder: Path | None = None
    provider: Provider | None = None
    network: IPv4Network | None = None
    api_port: int | None = None
    bin_dir: Path | None = None
    kwok: bool = False

    def state(self) -> Path:
        """The state folder, absolute."""
        return (self.folder or CLUSTERS / check_name(self.name)).resolve()

    def request(self) -> local.Request:
        """The same, for the local cluster."""
        return local.Request(self.name, self.state(), self.network, self.api_port, self.bin_dir, self.kwok)


@dataclass(frozen=True)
class Cluster:
    """A running cluster, whoever runs it."""

    name: str
    provider: Provider
    kubeconfig: Path
    state: Path
    bin: Path | None = None
    """A folder with kubectl and the node's binaries; None where PATH must have kubectl."""

    @property
    def routed(self) -> bool:
        """Whether this machine reaches pod addresses and ClusterIPs without port-forwarding."""
        return self.provider == "local"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl against this cluster and return what it printed."""
        program = self.bin / "kubectl" if self.bin else "kubectl"
        return run([program, "--kubeconfig", self.kubeconfig, *arguments], stdin=stdin)


def choose(asked: str, *, kind_usable: bool) -> Provider:
    """The provider asked for, else kind where it works, else local. Pure; ClusterError for an unknown one."""
    if asked in get_args(Provider):
        return asked  # type: ignore[return-value]
    if asked:
        raise ClusterError(f"{VARIABLE}={asked}: there are {', '.join(get_args(Provider))}")
    return "kind" if kind_usable else "local"


def up(options: Options, *, environ: Mapping[str, str] = os.environ, say: Say = say) -> Cluster:
    """Make the cluster run (or just use it, if it is an existing one)."""
    provider = _provider(options, environ)
    if provider == "existing":
        return _existing(options, environ)
    if provider == "local":
        local.up(options.request(), environ=environ, say=say)
    elif options.kwok:
        raise ClusterError("simulated nodes (--kwok) need the local cluster; add --provider local")
    else:
        kind.up(options.name, _kind_kubeconfig(options), kind.node_image(environ), say=say)
    return find(options, environ=environ)


def down(options: Options, *, environ: Mapping[str, str] = os.environ, say: Say = say) -> None:
    """Remove a cluster that `up` made; an existing one is left alone."""
    provider = _provider(options, environ)
    if provider == "existing":
        say("the cluster existed before and is left alone")
    elif provider == "kind":
        kind.down(options.name, _kind_kubeconfig(options), say=say)
    else:
        local.down(options.state(), say=say)


def find(options: Options, *, environ: Mapping[str, str] = os.environ) -> Cluster:
    """The cluster that `up` made before; ClusterError if there is none."""
    provider = _provider(options, environ)
    if provider == "existing":
        return _existing(options, environ)
    if provider == "kind":
        return _kind(options, environ)
    spec = running.load_spec(options.state())
    return Cluster(spec.name, provider, spec.kubeconfig, spec.folder, spec.bin)


def load(cluster: Cluster, archive: Path, *, say: Say = say) -> str:
    """Put the image of an OCI archive on the nodes, unless it is there; returns its name."""
    if cluster.provider == "local":
        return running.load(running.load_spec(cluster.state), archive, say=say)
    if cluster.provider == "kind":
        kind.load(cluster.name, archive)
        return oci.identify(archive)[0]
    raise ClusterError(
        "an existing cluster pulls its images: push them to a registry of yours and name them in the chart"
    )


def tag(cluster: Cluster, name: str, alias: str) -> bool:
    """Give an image on the nodes another name, too; False where only a registry could."""
    if cluster.provider != "local":
        return False
    running.tag(running.load_spec(cluster.state), name, alias)
    return True


def _provider(options: Options, environ: Mapping[str, str]) -> Provider:
    """What was made before stays what it is, whatever runs on this machine today."""
    if options.provider or environ.get(VARIABLE):
        return choose(options.provider or environ[VARIABLE], kind_usable=False)
    if (options.state() / "cluster.json").exists() or registry.lost(options.state()):
        return "local"
    if _kind_kubeconfig(options).exists():
        return "kind"
    return choose("", kind_usable=kind.usable())


def _existing(options: Options, environ: Mapping[str, str]) -> Cluster:
    if not environ.get("KUBECONFIG"):
        raise ClusterError(f"{VARIABLE}=existing needs KUBECONFIG to name the kubeconfig of that cluster")
    if shutil.which("kubectl") is None:
        raise ClusterError("an existing cluster needs kubectl on PATH")
    return Cluster("existing", "existing", Path(environ["KUBECONFIG"]), options.state())


def _kind(options: Options, environ: Mapping[str, str]) -> Cluster:
    kubeconfig = _kind_kubeconfig(options)
    if not kubeconfig.exists():
        raise ClusterError(f"{kubeconfig.parent}: no cluster here; make one with `python -m e2e.cluster up`")
    # kind brings no kubectl.
    absent = shutil.which("kubectl") is None
    folder = (
        binaries.ensure(["kubectl"], bin_path=options.bin_dir, environ=environ)["kubectl"].parent if absent else None
    )
    return Cluster(options.name, "kind", kubeconfig, options.state(), folder)


def _kind_kubeconfig(options: Options) -> Path:
    return options.state() / "kind.kubeconfig"
