"""The YAML of the stories: the quickstart's, with names of their own so that stories do not meet."""

from pathlib import Path
from typing import Any

import yaml

Obj = dict[str, Any]
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"


def quickstart(namespace: str) -> tuple[Obj, Obj, Obj]:
    """Pool, class and Model of the quickstart, as a story in `namespace` uses them."""
    pool, class_, model = (_read(name) for name in ("pool", "class", "model"))
    for obj in (pool, class_):
        obj["metadata"] = {"name": f"{obj['metadata']['name']}-{namespace}", "labels": {"story": namespace}}
    workload = model["spec"]["workloads"][0]
    workload["class"] = class_["metadata"]["name"]
    workload["pools"] = {"matchLabels": {"story": namespace}}
    return pool, class_, model


def _read(name: str) -> Obj:
    found: Obj = next(yaml.safe_load_all((QUICKSTART / f"{name}.yaml").read_text()))
    return found
