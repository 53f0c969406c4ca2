"""From the flags of `inferfleet diff` to a comparison. Reads. Needs the `plan` extra."""

import argparse

from inferfleet.cli.plan_world import UNUSABLE, Refused, given, planned, world_of
from inferfleet.offline.compare import Comparison, compare
from inferfleet.offline.files import Files


def compared(args: argparse.Namespace) -> Comparison:
    """Both sides planned over the same snapshot. What the change removes from the files is gone from the cluster, too.

    Raises Refused.
    """
    if args.old == args.new == "-":
        raise Refused("error: standard input can be OLD or NEW, not both", UNUSABLE)
    old, new = _files(args, args.old), _files(args, args.new)
    gone = frozenset(old.objects.keys() - new.objects.keys())
    before, after = world_of(args, old), world_of(args, new, gone)
    old_plan, new_plan = (planned(world, engines=args.engines) for world in (before, after))
    return compare(old_plan, new_plan, args.max_usd_per_hour)


def _files(args: argparse.Namespace, path: str) -> Files:
    found = given(args, [path])
    if not found.objects:
        raise Refused(f"error: {path}: there is no object of Inferfleet in it", UNUSABLE)
    return found
