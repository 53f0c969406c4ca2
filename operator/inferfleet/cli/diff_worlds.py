"""From the flags of `inferfleet diff` to a comparison. Reads. Needs the `plan` extra."""

import argparse
from dataclasses import replace
from pathlib import Path

from inferfleet.cli.plan_world import UNUSABLE, Refused, given, planned, world_of
from inferfleet.lint.files import holds_files
from inferfleet.offline.compare import Comparison, compare
from inferfleet.offline.given import Files
from inferfleet.offline.types import Report, WorkloadRow
from inferfleet.planning.evaluate.memo import Memo


def compared(args: argparse.Namespace) -> Comparison:
    """Both sides planned over the same snapshot. What the change removes from the files is gone from the cluster, too.

    Raises Refused.
    """
    if args.old == args.new == "-":
        raise Refused("error: standard input can be OLD or NEW, not both", UNUSABLE)
    old, new = _files(args, args.old), _files(args, args.new)
    if not (old.objects or new.objects):
        raise Refused(f"error: there is nothing in {args.old} and nothing in {args.new}", UNUSABLE)
    gone = frozenset(old.objects.keys() - new.objects.keys())
    before, after = world_of(args, old), world_of(args, new, gone)
    memo = Memo()  # most of both sides is the same
    old_plan, new_plan = (planned(world, engines=args.engines, memo=memo) for world in (before, after))
    return compare(_placed_in(args.new, args.old, old_plan), new_plan, args.max_usd_per_hour)


def _placed_in(new: str, old: str, report: Report) -> Report:
    """With the places of OLD as they would be in NEW: OLD is a checkout beside the repository, which nobody can see."""
    if "-" in (new, old) or not Path(old).is_dir():
        return report
    return replace(report, workloads=tuple(_moved(w, Path(old), Path(new)) for w in report.workloads))


def _moved(row: WorkloadRow, old: Path, new: Path) -> WorkloadRow:
    if row.place is None:
        return row
    return replace(row, place=replace(row.place, file=str(new / Path(row.place.file).relative_to(old))))


def _files(args: argparse.Namespace, path: str) -> Files:
    """A folder without files is a fleet of which nothing is there yet, or any more."""
    if path != "-" and Path(path).is_dir() and not holds_files(path):
        return Files({}, {})
    found = given(args, [path])
    if not found.objects:
        raise Refused(f"error: {path}: there is no object of Inferfleet in it", UNUSABLE)
    return found
