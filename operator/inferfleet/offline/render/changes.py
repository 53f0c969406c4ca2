"""What changes, in words that the forms of a comparison share. Pure."""

from decimal import Decimal

from inferfleet.offline.compare import Change, Comparison, Headroom
from inferfleet.offline.render import words
from inferfleet.offline.types import WorkloadRow


def sentence(found: Comparison) -> str:
    """`2 of 5 workloads change, 1 violation: 1.2 -> 1.6 USD per hour (+0.4)`."""
    broken = len(found.after.violations) + found.over_budget
    told = f", {words.number(broken, 'violation')}" if broken else ""
    before, after = words.usd(found.before.usd_per_hour), words.usd(found.after.usd_per_hour)
    many = words.number(len(found.changes), "workload")
    change = f"{before} -> {after} USD per hour ({words.signed(found.usd_per_hour)})"
    return f"{len(found.told)} of {many} change{told}: {change}"


def figures_of(change: Change) -> tuple[str, str, str]:
    """What happens, USD per hour, and headroom."""
    headroom = ", ".join(_headroom(h) for h in change.headroom if h.changed) or words.DASH
    return what(change), _cost(change), headroom


def what(change: Change) -> str:
    """`Moved: awq on l40s with vllm x3 -> fp8 on h100 with vllm x1`."""
    if change.before is None:
        return f"Added: {_placed(change.after)}"
    if change.after is None:
        return f"Removed: {_placed(change.before)}"
    before, after = _placed(change.before), _placed(change.after)
    return f"{change.kind}: {before} -> {after}" if before != after else f"{change.kind}: {after}"


def _placed(row: WorkloadRow | None) -> str:
    if row is None or not row.staying:
        return f"nowhere ({row.reason})" if row else "nowhere"
    return " and ".join(p.words + ("" if p.provider else f" x{p.replicas}") for p in row.staying)


def _cost(change: Change) -> str:
    before = change.before.usd_per_hour if change.before else Decimal(0)
    after = change.after.usd_per_hour if change.after else Decimal(0)
    if before == after:
        return words.usd(after)
    return f"{words.usd(before)} -> {words.usd(after)} ({words.signed(change.usd_per_hour)})"


def _headroom(h: Headroom) -> str:
    before, after = words.percent(h.before), words.percent(h.after)
    if before == after:  # whole percent would hide the change
        before, after = words.percent(h.before, 1), words.percent(h.after, 1)
    return f"{words.NAMES[h.name]} {before} -> {after}"
