"""From the flags of `inferfleet explain` to its text. Reads files (extra `plan`), or a cluster (extra `operator`)."""

import argparse
import json
from collections.abc import Sequence

from inferfleet.cli.plan_world import UNUSABLE, Refused, given, planned, world_of
from inferfleet.fleet.types import Key
from inferfleet.offline.render import as_json
from inferfleet.offline.render.explain import explain
from inferfleet.offline.snapshot import Snapshot
from inferfleet.offline.types import Report, WorkloadRow
from inferfleet.offline.world import NOTHING, World

LISTED = 12
"""Models in a message."""


def explained(args: argparse.Namespace) -> str:
    """Raises Refused."""
    if args.filename or args.snapshot:
        world = world_of(args, given(args, args.filename))
    else:
        world = world_of(args, NOTHING, live=_live(args.now))
    key = _the_one(world, args.model)
    said = _said(world, key)
    report = planned(world, engines=args.engines)
    rows = [w for w in report.workloads if w.key[:2] == key]
    return explain(report, rows, said) if args.output == "text" else _json(report, rows, said)


def _live(now: str | None) -> Snapshot:
    """Of the cluster. Raises Refused."""
    from inferfleet.cli.snapshot_cluster import observed  # noqa: PLC0415  needs an extra

    try:
        return observed(now)
    except Refused as refused:
        raise Refused(f"{refused}; -f or --snapshot explains without a cluster", UNUSABLE) from refused


def _the_one(world: World, name: str) -> Key:
    """Of all Models of the input, also those that only the snapshot has."""
    namespace, _, short = name.rpartition("/")
    known = world.models
    found = [key for key in known if key[1] == short and (not namespace or key[0] == namespace)]
    if len(found) > 1:
        raise Refused(f"error: {short} is in {', '.join(ns for ns, _ in found)}: name it NAMESPACE/{short}", UNUSABLE)
    if not found:
        listed = ", ".join(f"{ns}/{n}" for ns, n in known[:LISTED]) or "none"
        more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
        raise Refused(f"error: there is no Model {name}; there are {listed}{more}", UNUSABLE)
    return found[0]


def _said(world: World, key: Key) -> list[str]:
    """Conditions and decisions about replicas that a stored status has."""
    status = world.stores.models[key].get("status") or {}
    conditions = [
        f"{c.get('type')} {c.get('status')}, {c.get('reason')}: {c.get('message')}"
        for c in status.get("conditions", ())
    ]
    scaling = [f"{s.get('class')}: {s.get('reason')}: {s.get('message')}" for s in status.get("scaling", ())]
    return [*conditions, *scaling]


def _json(report: Report, rows: Sequence[WorkloadRow], said: Sequence[str]) -> str:
    body = {
        "workloads": [as_json.workload(w) for w in rows],
        "operatorSays": list(said),
        "assumptions": list(report.assumptions),
        "notes": list(report.notes),
    }
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
