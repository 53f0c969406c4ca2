"""Models and HardwarePools of a file or of a cluster, for `inferfleet cost`. Reads."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from inferfleet.cli.prometheus import UnusableError

KINDS = ("Model", "HardwarePool")


def objects_of(file: str | None, namespace: str) -> list[dict[str, Any]]:
    """Of the file; without one of the cluster that KUBECONFIG names. Raises UnusableError."""
    found = _of_file(file) if file is not None else _of_cluster()
    return [o for o in found if not namespace or o["kind"] != "Model" or _namespace(o) == namespace]


def _namespace(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("namespace", "default"))


def _of_file(file: str) -> list[dict[str, Any]]:
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
        found = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UnusableError(f"{name}: not JSON ({error}): save `kubectl get models -A -o json`") from error
    except OSError as error:
        raise UnusableError(f"{file}: cannot be read: {error.strerror}") from error
    items = found.get("items", [found]) if isinstance(found, dict) else None
    if not isinstance(items, list) or not all(map(_object, items)):
        raise UnusableError(f"{name}: no list of Kubernetes objects: save `kubectl get models -A -o json`")
    ours = [o for o in items if o["kind"] in KINDS]
    if not any(o["kind"] == "Model" for o in ours):
        raise UnusableError(f"{name}: there is no Model in it: save `kubectl get models -A -o json`")
    return ours


def _object(item: Any) -> bool:
    return (
        isinstance(item, dict)
        and isinstance(item.get("kind"), str)
        and isinstance(item.get("metadata"), dict)
        and isinstance(item["metadata"].get("name"), str)
        and isinstance(item.get("spec", {}), dict)
    )


def _of_cluster() -> list[dict[str, Any]]:
    from inferfleet import errors  # noqa: PLC0415  needs an extra

    try:
        return asyncio.run(_asked())
    except errors.ApiError as error:
        raise UnusableError(f"the cluster cannot be read: {error}; -f reads what kubectl saved") from error


async def _asked() -> list[dict[str, Any]]:
    from inferfleet.kube import kinds  # noqa: PLC0415
    from inferfleet.kube.connect import connect  # noqa: PLC0415

    cluster = await connect(os.environ.get("KUBECONFIG", ""))
    try:
        return [o for kind in (kinds.MODEL, kinds.HARDWARE_POOL) for o in (await cluster.list(kind)).items]
    finally:
        await cluster.close()
