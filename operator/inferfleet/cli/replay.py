"""`inferfleet replay`: what the operator's scaling would have done with recorded traffic. Reads."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from inferfleet.cli.plan import add_context
from inferfleet.cli.writing import PLAN_EXTRA

if TYPE_CHECKING:
    from inferfleet.fleet.types import Key, Plan, WorkloadPlan
    from inferfleet.replay.planned import Setup
    from inferfleet.replay.report import Replayed
    from inferfleet.replay.traces import Part, Traffic

FORMATS = ("text", "json", "svg")
ROUTERS = ("least", "tokens", "two", "turn", "random", "prefix")
UNUSABLE = 2
_EXAMPLES = """TRACE is one of
  a CSV with columns for time (seconds, or 2026-11-20 08:00:00.5), input tokens and output tokens, and if there is
    one for prefix (numbers of blocks of 512 tokens), such as time,input,output; Azure's LLM inference traces are so
  JSON lines with timestamp (milliseconds), input_length, output_length and hash_ids, as Mooncake's traces
  ServeGen's statistics: a folder with one *_trace.csv.gz and *_lengths.csv.gz, or the first of several; requests are
    drawn from them, a day at 10 requests/s unless --until and --rate say otherwise
Files that end in .gz are unpacked.

examples:
  inferfleet replay monday.csv -f fleet/
  inferfleet replay monday.csv -f fleet/ --model llama --class chat --from 8h --until 12h
  inferfleet replay monday.csv -f fleet/ --replicas 6      # a static fleet, to compare
  inferfleet replay monday.csv -f fleet/ -o svg > monday.svg

exit status: 0 the class's percentile of requests is within its targets, 3 it is not, 1 a file is wrong, 2 nothing
could be simulated
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The flags."""
    parser = commands.add_parser(
        "replay",
        help="what scaling would do with recorded traffic: attainment, replicas and cost, without a cluster",
        description="Plan Models, WorkloadClasses and HardwarePools of files as the operator would, and simulate the "
        "planned replicas under recorded traffic, scaled by the operator's own code.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", metavar="TRACE", type=Path, help="requests, see below")
    parser.add_argument(
        "-f", "--filename", action="append", required=True, metavar="PATH", help="as of inferfleet plan"
    )
    parser.add_argument("--model", metavar="NAME", help="whose traffic it is; needed where there are several")
    parser.add_argument("--class", dest="class_", metavar="NAME", help="the same of its class")
    parser.add_argument("--from", dest="start", metavar="TIME", help="begin so late in the trace: 90, 30m, 8h")
    parser.add_argument("--until", metavar="TIME", help="end there")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="requests come so many times as fast")
    parser.add_argument("--rate", type=float, metavar="R", help="thin the trace to so many requests per second")
    parser.add_argument("--replicas", type=int, metavar="N", help="a static fleet of so many instead of the law")
    parser.add_argument(
        "--router",
        choices=ROUTERS,
        default="least",
        help="how replicas are picked: fewest requests in flight (default), fewest prompt tokens to read (tokens), the "
        "better of two at random, in turn, at random as a Kubernetes Service does, or where most of the prompt is "
        "cached (prefix)",
    )
    parser.add_argument("--boot", metavar="TIME", help="until a new replica serves; default: what the plan allows for")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default %(default)s)")
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="default %(default)s")
    add_context(parser)
    parser.set_defaults(call=run, extra=PLAN_EXTRA)


def run(args: argparse.Namespace) -> int:
    """Print the result."""
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415  needs an extra
    from inferfleet.replay import as_json, picture, text  # noqa: PLC0415

    try:
        found = replayed(args)
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201
        return refused.status
    forms = {"text": text.render, "json": as_json.render, "svg": picture.render}
    print(forms[args.output](found), end="")  # noqa: T201
    return 0 if found.result.attainment(found.slo) >= found.percentile / 100 else 3


def replayed(args: argparse.Namespace) -> "Replayed":
    """Plan, read, simulate. Raises Refused."""
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415
    from inferfleet.cli.progress import progress  # noqa: PLC0415
    from inferfleet.replay import traces  # noqa: PLC0415
    from inferfleet.replay.planned import booting  # noqa: PLC0415
    from inferfleet.replay.simulate import How, replay  # noqa: PLC0415

    part = _part(args)
    if args.replicas is not None and args.replicas < 0:
        raise Refused("error: --replicas: give 0 or more", UNUSABLE)
    boot = _seconds("--boot", args.boot)
    name, setup = _planned(args)
    if boot is not None:
        setup = booting(setup, boot)
    with progress(sys.stderr) as tell:
        tell(f"reading {args.trace}")
        try:
            traffic: Traffic = traces.read(args.trace, part)
        except traces.TraceError as error:
            raise Refused(f"error: {error}") from error
        except OSError as error:
            raise Refused(f"error: {args.trace}: cannot be read: {error.strerror or error}", UNUSABLE) from error
        return replay(name, setup, traffic, How(args.replicas, args.seed, args.router), tell)


def _part(args: argparse.Namespace) -> "Part":
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415
    from inferfleet.replay.traces import Part  # noqa: PLC0415

    for flag, value in (("--speed", args.speed), ("--rate", args.rate)):
        if value is not None and not 0 < value < float("inf"):
            raise Refused(f"error: {flag}: {value} is not a number above 0", UNUSABLE)
    start, end = _seconds("--from", args.start) or 0.0, _seconds("--until", args.until)
    if end is not None and end <= start:
        raise Refused(f"error: --until {args.until} is not after --from {args.start or 0}", UNUSABLE)
    return Part(start, end, args.rate, args.speed, args.seed)


def _seconds(flag: str, text: str | None) -> float | None:
    from inferfleet.api.quantities import parse_duration  # noqa: PLC0415
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415

    if text is None:
        return None
    try:
        return float(text) if text.replace(".", "", 1).isdigit() else parse_duration(text).total_seconds()
    except ValueError as error:
        raise Refused(
            f"error: {flag}: {text!r} is neither seconds nor a duration such as 30m or 8h", UNUSABLE
        ) from error


def _planned(args: argparse.Namespace) -> "tuple[str, Setup]":
    from inferfleet.cli.plan_world import Refused, given, world_of  # noqa: PLC0415
    from inferfleet.cli.progress import progress  # noqa: PLC0415
    from inferfleet.offline.decide import decide  # noqa: PLC0415
    from inferfleet.planning.evaluate.memo import Memo  # noqa: PLC0415
    from inferfleet.replay.planned import NotReplayed, setup  # noqa: PLC0415

    world, memo = world_of(args, given(args, args.filename)), Memo()
    with progress(sys.stderr) as tell:
        plans = decide(world, args.engines, memo, tell)
    found = [(m.key, m.plan, w) for m in plans.models for w in m.plan.workloads]
    key, plan, workload = _asked(found, args)
    try:
        return f"{key[0]}/{key[1]}:{workload.class_}", setup(workload, plan, memo)
    except NotReplayed as why:
        raise Refused(f"error: {why}", UNUSABLE) from why


def _asked(found: "list[tuple[Key, Plan, WorkloadPlan]]", args: argparse.Namespace) -> "tuple[Key, Plan, WorkloadPlan]":
    """The one workload that is meant. Raises Refused with those that there are."""
    from inferfleet.cli.plan_world import Refused  # noqa: PLC0415

    fits = [
        (key, plan, w)
        for key, plan, w in found
        if args.model in (None, key[1], f"{key[0]}/{key[1]}") and (args.class_ is None or args.class_ in w.classes)
    ]
    if len(fits) == 1:
        return fits[0]
    there = ", ".join(f"{key[1]}:{w.class_}" for key, _, w in found[:10]) or "none"
    problem = "several workloads fit" if fits else "no workload is so named"
    raise Refused(f"error: {problem}; give --model and --class; there are {there}", UNUSABLE)
