"""What `plan`, `diff` and `explain` share: from flags to a report. Reads. Needs the `plan` extra."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from inferfleet.catalog import loader
from inferfleet.cli.progress import progress
from inferfleet.lint import report as linted
from inferfleet.lint.engine import MissingError
from inferfleet.lint.files import UnusableError
from inferfleet.offline import snapshot
from inferfleet.offline.decide import Engines, Plans, decide
from inferfleet.offline.files import InvalidError, read_files
from inferfleet.offline.frontier import frontier
from inferfleet.offline.given import Files, ObjectKey
from inferfleet.offline.report import report
from inferfleet.offline.types import Report
from inferfleet.offline.world import NOTHING, Context, World, make_world
from inferfleet.planning.evaluate.memo import Memo

INVALID, UNUSABLE = 1, 2
PICTURES = 50
"""Workloads whose frontiers are drawn: of two charts each, some hundred kB."""
BEYOND = (
    "engines and providers that this release does not deploy were planned with only where nothing else serves; "
    "--engines known plans with them everywhere"
)


class Refused(Exception):  # noqa: N818  it is what a user did, told to the user
    """Nothing is planned; the message says why."""

    def __init__(self, message: str, status: int = INVALID) -> None:
        super().__init__(message)
        self.status = status


def given(args: argparse.Namespace, paths: Sequence[str]) -> Files:
    """The files. Raises Refused with every error, as lint prints them."""
    if not paths:
        return NOTHING
    try:
        return read_files(paths, args.namespace)
    except InvalidError as error:
        notes = "".join(f"note: {note}\n" for note in error.notes)
        raise Refused(f"{linted.text(error.report)}{notes}error: nothing is planned") from error
    except (UnusableError, MissingError) as error:
        raise Refused(f"error: {error}", UNUSABLE) from error


def world_of(
    args: argparse.Namespace,
    files: Files,
    gone: frozenset[ObjectKey] = frozenset(),
    live: snapshot.Snapshot | None = None,
) -> World:
    """With the snapshot, the catalog and the time that the flags name. `live` was read just now. Raises Refused."""
    try:
        catalog = loader.load(Path(args.catalog) if args.catalog else None)
    except loader.CatalogError as error:
        raise Refused(f"error: --catalog: {error}") from error
    return make_world(files, live or taken(args.snapshot), Context(catalog, time_of(args.now)), gone)


def taken(file: str | None) -> snapshot.Snapshot | None:
    """The snapshot of a file. Raises Refused."""
    if file is None:
        return None
    try:
        return snapshot.load(file, Path(file).read_text("utf-8"))
    except snapshot.SnapshotError as error:
        raise Refused(f"{error}\nerror: nothing is planned") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file}:1: not text in UTF-8\nerror: nothing is planned") from error
    except OSError as error:
        raise Refused(f"error: {file}: cannot be read: {error.strerror}", UNUSABLE) from error


def time_of(text: str | None) -> datetime | None:
    """Of --now. Raises Refused."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"error: --now: {text!r} is no time such as 2026-11-20T08:00:00Z", UNUSABLE) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def planned(world: World, *, engines: Engines = "auto", pictures: bool = False, memo: Memo | None = None) -> Report:
    """Decide, and say it in figures; with the figures of pictures where they are asked for.

    `memo` holds what was computed for other worlds of the same catalog.
    """
    with progress(sys.stderr) as tell:
        plans = decide(world, engines, memo, tell)
    found = report(world, plans)
    if engines == "auto" and any(w.undeployed for w in found.workloads):
        found = replace(found, notes=(*found.notes, BEYOND))
    return _with_pictures(found, plans) if pictures else found


def _with_pictures(found: Report, plans: Plans) -> Report:
    """Of what is broken and of what costs most: a page with thousands of them is of no use."""
    ordered = sorted(found.workloads, key=lambda w: (not w.violations, -w.usd_per_hour, w.key))
    drawn = {w.key for w in ordered[:PICTURES]}
    frontiers = {
        (*model.key, w.class_): frontier(w, asked)
        for model in plans.models
        for w in model.plan.workloads
        if (*model.key, w.class_) in drawn and (asked := model.asked(w.class_))
    }
    if len(ordered) <= PICTURES:
        return replace(found, frontiers=frontiers)
    note = (
        f"frontiers are drawn of {PICTURES} workloads, what is broken and what costs most: plan fewer files for others"
    )
    return replace(found, frontiers=frontiers, notes=(*found.notes, note))
