"""`python -m e2e.cluster`: makes, fills, shows and removes clusters. Writes."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from e2e.cluster import binaries, images, oci, provider, running
from e2e.cluster.shell import ClusterError, say
from e2e.cluster.spec import check_network

EXAMPLES = """\
examples:
  python -m e2e.cluster up                 start (or repair) the cluster `inferfleet`
  eval "$(python -m e2e.cluster env)"      use it in this shell
  python -m e2e.cluster images             build the project's images and load them
  python -m e2e.cluster down               remove it and all it put on this machine
"""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0, or 1 with one message about what was wrong."""
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
    except ClusterError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m e2e.cluster",
        description="One-node Kubernetes clusters for the end-to-end stories.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    up = commands.add_parser("up", help="start or repair a cluster; about a second if it runs")
    up.add_argument("--network", type=check_network, help="a free /16 for it all (default: one is found)")
    up.add_argument("--api-port", type=int, help="port of the API server (default: 6443)")
    up.add_argument("--bin-dir", type=Path, help="folder with ready-made binaries (default: $INFERFLEET_BIN)")
    up.add_argument("--kwok", action="store_true", help="run kwok, for simulated nodes")
    up.set_defaults(run=_up)
    down = commands.add_parser("down", help="remove a cluster; fine if there is none")
    down.set_defaults(run=lambda options: provider.down(_options(options)))
    status = commands.add_parser("status", help="what runs, and how often it was restarted")
    status.set_defaults(run=_status)
    load = commands.add_parser("load", help="put the images of OCI archives on the node")
    load.add_argument("archive", type=Path, nargs="+")
    load.set_defaults(run=_load)
    build = commands.add_parser("images", help="build the project's images, load them, print their names")
    build.add_argument(
        "image",
        nargs="*",
        default=["operator", "runtime"],
        help=f"{', '.join(images.PROJECT)} (default: operator runtime)",
    )
    build.add_argument(
        "--architecture",
        choices=tuple(oci.MACHINES),
        default=oci.native(),
        help="another than this machine's is built under emulation (slow), and not loaded",
    )
    build.add_argument("--no-load", action="store_true", help="only build; print the archives")
    build.set_defaults(run=_images)
    kubeconfig = commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    kubeconfig.set_defaults(run=lambda options: print(provider.find(_options(options)).kubeconfig))
    env = commands.add_parser("env", help="print what a shell must export to use the cluster")
    env.set_defaults(run=_env)
    tools = commands.add_parser("binaries", help="build or find binaries; print their paths")
    tools.add_argument("binary", nargs="+", help="such as kubectl, helm, kwok, etcd")
    tools.add_argument("--bin-dir", type=Path, help="folder with ready-made binaries (default: $INFERFLEET_BIN)")
    tools.set_defaults(run=_binaries)
    for command in (up, down, status, load, build, kubeconfig, env):
        _common(command)
    return parser


def _common(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", default="inferfleet", help="name of the cluster (default: inferfleet)")
    command.add_argument("--dir", type=Path, help="state folder (default: build/clusters/NAME)")
    command.add_argument(
        "--provider",
        choices=("existing", "kind", "local"),
        help="default: $INFERFLEET_CLUSTER, else kind where it and an engine run, else local",
    )


def _options(options: argparse.Namespace) -> provider.Options:
    given = {"network": None, "api_port": None, "bin_dir": None, "kwok": False, **vars(options)}
    names = ("network", "api_port", "bin_dir", "kwok")
    return provider.Options(options.name, options.dir, options.provider, *(given[name] for name in names))


def _up(options: argparse.Namespace) -> None:
    cluster = provider.up(_options(options))
    say(f"cluster {cluster.name} ({cluster.provider}) is ready; KUBECONFIG={cluster.kubeconfig}")


def _status(options: argparse.Namespace) -> None:
    cluster = provider.find(_options(options))
    print(f"cluster {cluster.name} ({cluster.provider}), KUBECONFIG={cluster.kubeconfig}")
    if cluster.provider == "local":
        spec = running.load_spec(cluster.state)
        components = running.status(spec)
        for name, state in components.items():
            print(f"  {name:24} {'running' if state['running'] else 'down':8} restarts {state['restarts']}")
        if not components:
            raise ClusterError(f"the node of {spec.name} is down; `python -m e2e.cluster up` starts it again")
    print(cluster.kubectl("get", "nodes", "-o", "wide"), end="")


def _load(options: argparse.Namespace) -> None:
    cluster = provider.find(_options(options))
    for archive in options.archive:
        print(provider.load(cluster, archive))


def _images(options: argparse.Namespace) -> None:
    built = [images.build(name, architecture=options.architecture) for name in options.image]
    if options.no_load or options.architecture != oci.native():
        print("\n".join(str(image.archive) for image in built))
        return
    cluster = provider.find(_options(options))
    for image in built:
        print(provider.load(cluster, image.archive))


def _env(options: argparse.Namespace) -> None:
    cluster = provider.find(_options(options))
    print(f"export KUBECONFIG={shlex.quote(str(cluster.kubeconfig))}")
    if cluster.bin and str(cluster.bin) not in os.environ.get("PATH", "").split(":"):
        print(f'export PATH={shlex.quote(str(cluster.bin))}:"$PATH"')


def _binaries(options: argparse.Namespace) -> None:
    found = binaries.ensure(options.binary, bin_path=options.bin_dir)
    print("\n".join(str(found[name]) for name in options.binary))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
