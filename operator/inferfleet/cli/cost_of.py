"""From the flags of `inferfleet cost` to its text. Reads files, a cluster (extra `operator`), or Prometheus."""

import argparse
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from inferfleet.cli.cost_objects import objects_of
from inferfleet.cli.prometheus import Prometheus, UnusableError
from inferfleet.costing.statement import from_prometheus as sums
from inferfleet.costing.statement import from_status as rates
from inferfleet.costing.statement.as_json import as_json
from inferfleet.costing.statement.focus import Payer, focus
from inferfleet.costing.statement.rows import Charge, Facts, Statement
from inferfleet.costing.statement.table import table

__all__ = ["UnusableError", "text_of"]

DEFAULT_SINCE = "30d"
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
FORMS: dict[str, Callable[[Statement, str], str]] = {"table": table, "json": as_json}


def text_of(args: argparse.Namespace) -> str:
    """What to print. Raises UnusableError."""
    if args.namespace and not _NAMESPACE.fullmatch(args.namespace):
        raise UnusableError(f"--namespace: {args.namespace!r} is no name of a namespace")
    now = _time(args.now)
    if args.prometheus:
        return _booked(args, now)
    for flag in ("since", "prometheus_token_file"):
        if getattr(args, flag) is not None:
            raise UnusableError(f"--{flag.replace('_', '-')} goes with --prometheus: a status has no past")
    if args.by == "tenant":
        raise UnusableError("--by tenant goes with --prometheus: a status does not tell tenants apart")
    return _present(args, now)


def _present(args: argparse.Namespace, now: datetime) -> str:
    objects = objects_of(args.filename, args.namespace)
    models = [o for o in objects if o["kind"] == "Model"]
    if args.output == "focus":
        return focus(rates.charges(models, now), _payer(args), rates.facts(objects))
    return FORMS[args.output](rates.statement(models), args.by)


def _booked(args: argparse.Namespace, now: datetime) -> str:
    prometheus = Prometheus(args.prometheus, args.prometheus_token_file)
    start = now - since(args.since or DEFAULT_SINCE)
    if args.output == "focus":
        facts = rates.facts(objects_of(args.filename, args.namespace)) if args.filename else Facts()
        return focus(_days(prometheus, start, now, args.namespace), _payer(args), facts)
    period = _period(prometheus, start, now)
    asked, make = (sums.TENANTS, sums.by_tenant) if args.by == "tenant" else (sums.ACCOUNTS, sums.statement)
    answers = _grown(prometheus, asked, start, now, args.namespace)
    return FORMS[args.output](make(answers, period), args.by)


def _payer(args: argparse.Namespace) -> Payer:
    return Payer(args.provider, args.account)


def _period(prometheus: Prometheus, start: datetime, now: datetime) -> sums.Period:
    """Raises UnusableError where nothing was observed: an empty table would look like a fleet that costs nothing."""
    seconds = round((now - start).total_seconds())
    steps = sum(prometheus.query(sums.coverage(seconds), (), now).values())
    if not steps:
        raise UnusableError(
            f"{prometheus.url} has no inferfleet_leader in that time: does it scrape the operator's port 9090 "
            "(docs/install.md, monitoring)?"
        )
    return sums.Period(start, now, steps * sums.STEP)


def _grown(
    prometheus: Prometheus, asked: Mapping[str, sums.Labels], start: datetime, end: datetime, namespace: str
) -> dict[str, sums.Answer]:
    seconds = round((end - start).total_seconds())
    return {
        counter: prometheus.query(sums.question(counter, labels, seconds, namespace), labels, end)
        for counter, labels in asked.items()
    }


def _days(prometheus: Prometheus, start: datetime, now: datetime, namespace: str) -> list[Charge]:
    """From the beginning of the first day, in lines of a day, since bills are; the last one is not over."""
    found: list[Charge] = []
    days = sums.whole_days(start, now)
    by_day: dict[str, Mapping[datetime, sums.Answer]] = {}
    if days:
        ends = (days[0] + sums.DAY, days[-1] + sums.DAY)
        for counter, labels in sums.ACCOUNTS.items():
            text = sums.question(counter, labels, 86_400, namespace)
            by_day[counter] = prometheus.query_range(text, labels, *ends, sums.DAY)
    for day in days:
        answers = {counter: at.get(day + sums.DAY, {}) for counter, at in by_day.items()}
        found += sums.charges(answers, day, day + sums.DAY)
    today = sums.midnight(now)
    if (now - today).total_seconds() >= 1:
        found += sums.charges(_grown(prometheus, sums.ACCOUNTS, today, now, namespace), today, now)
    return found


def since(text: str) -> timedelta:
    """Of --since. Raises UnusableError."""
    found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", text)
    if not found:
        raise UnusableError(f"--since: {text!r} is no duration such as 12h, 7d or 30d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _time(text: str | None) -> datetime:
    """Of --now, else the clock's. Raises UnusableError."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnusableError(f"--now: {text!r} is no time such as 2026-11-20T08:00:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
