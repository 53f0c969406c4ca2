"""The YAML of the stories: the quickstart's, with names of their own so that stories do not meet.

Their model has random weights: it is larger than the quickstart's, so that less load keeps it busy, and an answer
lasts as long as it is asked to.
"""

from pathlib import Path
from typing import Any

import yaml

from e2e import install
from e2e.models.tiny import ARCHITECTURES

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
    model["spec"]["architecture"] = _random_weights()
    model["spec"]["variants"][0]["source"]["uri"] = f"oci://{install.RANDOM_REF}"
    return pool, class_, model


def _random_weights() -> Obj:
    shape = ARCHITECTURES["demo"]
    names = {"feedForward": "feed_forward", "kvHeads": "kv_heads", "headDim": "head_dim"}
    same = {name: name for name in ("layers", "hidden", "heads", "vocabulary")}
    return {name: shape[key] for name, key in (same | names).items()}


def _read(name: str) -> Obj:
    found: Obj = next(yaml.safe_load_all((QUICKSTART / f"{name}.yaml").read_text()))
    return found
