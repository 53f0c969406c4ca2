"""What this host knows of its clusters besides their state folders, until it reboots. Reads and writes.

Two clusters in different folders must not settle on one network, and a node must be found after its state folder
was removed by hand. The caller holds the host's lock while it chooses a network.
"""

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from e2e.cluster.processes import Process
from e2e.cluster.spec import ClusterSpec, from_json, identify, to_json

FOLDER = Path("/run/inferfleet/clusters")


def record(cluster: ClusterSpec, holder: Process | None, at: Path = FOLDER) -> None:
    """Note a cluster, and the process that holds its namespaces once there is one."""
    at.mkdir(parents=True, exist_ok=True)
    process = {"pid": holder.pid, "started": holder.started} if holder else {}
    known = json.loads(to_json(cluster)) | {"folder": str(cluster.folder)} | process
    scratch = at / f"{cluster.identity}.new"
    scratch.write_text(json.dumps(known, indent=2) + "\n")
    scratch.rename(at / f"{cluster.identity}.json")


def forget(cluster: ClusterSpec, at: Path = FOLDER) -> None:
    """The cluster was removed."""
    (at / f"{cluster.identity}.json").unlink(missing_ok=True)


def networks(at: Path = FOLDER) -> list[IPv4Network]:
    """Of all clusters that have a state folder or a node. Reads."""
    found = [known for file in at.glob("*.json") if (known := _read(file))]
    return [
        IPv4Network(known["network"])
        for known in found
        if (Path(known["folder"]) / "cluster.json").exists() or _process(known)
    ]


def holder(cluster: ClusterSpec, at: Path = FOLDER) -> Process | None:
    """The process that holds the node's namespaces, if it runs. Reads."""
    known = _read(at / f"{cluster.identity}.json")
    return _process(known) if known else None


def lost(folder: Path, at: Path = FOLDER) -> ClusterSpec | None:
    """The cluster of a state folder that has no record of it any more. Reads."""
    if (folder / "cluster.json").exists():
        return None
    known = _read(at / f"{identify(folder)}.json")
    return from_json(json.dumps(known), folder) if known else None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    return known


def _process(known: dict[str, Any]) -> Process | None:
    process = Process(known["pid"], known["started"]) if "pid" in known else None
    return process if process and process.alive() else None
