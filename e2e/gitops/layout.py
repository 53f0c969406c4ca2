"""The documented layout, as a story uses it: two repositories, and the Flux objects that read them.

Files are those of `examples/gitops`; only addresses, namespaces and intervals differ. Writes below a folder.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.gitops import git
from e2e.gitops.flux import NAMESPACE

Obj = dict[str, Any]
LAYOUT = Path(__file__).parents[2] / "examples" / "gitops"
PLATFORM, TEAM = "platform", "assistants"
"""Repositories; the second is also the name of the team and of all that is the team's in Flux."""
FLEET = "fleet"
"""The platform team's Kustomization of pools and classes."""
POOLS, CLASSES, MODEL = "fleet/pools.yaml", "fleet/classes.yaml", "demo.yaml"
QUICK = {"interval": "2s", "retryInterval": "2s", "timeout": "90s"}
"""A story has no time for minutes."""


@dataclass(frozen=True)
class Repositories:
    """Of the platform team and of one team."""

    platform: git.Repository
    team: git.Repository


def repositories(folder: Path) -> Repositories:
    """Both, in `folder`, without a commit."""
    shutil.copytree(LAYOUT / PLATFORM, folder / PLATFORM)
    shutil.copytree(LAYOUT / TEAM, folder / TEAM)
    return Repositories(git.create(folder / PLATFORM), git.create(folder / TEAM))


def edit(repository: git.Repository, file: str, change: Callable[[Obj], None]) -> None:
    """Change the only object of a file; `commit` is the caller's."""
    path = repository.folder / file
    obj = yaml.safe_load(path.read_text())
    change(obj)
    path.write_text(yaml.safe_dump(obj, sort_keys=False))


def objects(base: str, namespace: str) -> list[Obj]:
    """What bootstrapping the layout's cluster folder would apply, for the team in `namespace`. Reads.

    `base` is the URL of the git server. Helm installed the operator already, so nothing depends on its release.
    """
    folder = LAYOUT / PLATFORM / "clusters" / "production"
    found = [o for name in (FLEET, TEAM) for o in yaml.safe_load_all((folder / f"{name}.yaml").read_text())]
    mine = [_moved(o, namespace) for o in found if o["kind"] != "Namespace"]
    return [_source(base), *(_quick(o, base) for o in mine)]


def _source(base: str) -> Obj:
    """What `flux bootstrap` makes of the platform's own repository."""
    spec = {"interval": QUICK["interval"], "url": f"{base}/{PLATFORM}", "ref": {"branch": "main"}}
    metadata = {"name": "flux-system", "namespace": NAMESPACE}
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": metadata,
        "spec": spec,
    }


def _moved(value: Any, namespace: str) -> Any:
    """The same with the team's namespace replaced, wherever a field names it."""
    if isinstance(value, list):
        return [_moved(item, namespace) for item in value]
    if not isinstance(value, dict):
        return value
    names = {"namespace", "targetNamespace"}
    return {k: namespace if k in names and v == TEAM else _moved(v, namespace) for k, v in value.items()}


def _quick(obj: Obj, base: str) -> Obj:
    if obj["kind"] == "GitRepository":
        spec = obj["spec"] | {"interval": QUICK["interval"], "url": f"{base}/{obj['metadata']['name']}"}
        return obj | {"spec": spec}
    if obj["kind"] == "Kustomization":
        needs = [n for n in obj["spec"].get("dependsOn", []) if n["name"] == FLEET]
        return obj | {"spec": obj["spec"] | QUICK | {"dependsOn": needs}}
    return obj
