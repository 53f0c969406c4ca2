"""Plans and comparisons as Markdown, for comments on pull requests. Pure."""

from collections.abc import Iterable, Sequence

from inferfleet.offline.compare import Change, Comparison
from inferfleet.offline.render import table, words
from inferfleet.offline.render.changes import figures_of, sentence
from inferfleet.offline.types import Report

Row = tuple[str, ...]
CHANGES: Row = ("workload", "change", "USD per hour", "headroom")


def plan(report: Report) -> str:
    """Tables of placements and pools, then the rest."""
    placements = [row for w in report.workloads for row in table.workload_rows(w)]
    blocks = [
        "## Plan of the fleet",
        f"**{_escaped(words.summary(report))}**",
        grid(table.PLACEMENTS, placements),
        listed("Broken", (f"**{w.name}**: `{v.reason}`: {_escaped(v.message)}" for w, v in report.violations)),
        grid(table.POOLS, table.pool_rows(report)),
        folded("Why, and what was not chosen", _why(report)),
        *(folded(title, [_escaped(line) for line in lines]) for title, lines in words.sections(report)),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def diff(found: Comparison) -> str:
    """What a reviewer reads first: what breaks, what it costs, what moves."""
    blocks = [
        "## What this changes in the fleet",
        f"**{_escaped(sentence(found))}**",
        listed("Broken", _broken(found)),
        grid(CHANGES, [_change(c) for c in found.told]) if found.told else "",
        *(folded(title, [_escaped(line) for line in lines]) for title, lines in words.sections(found.after)),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _change(change: Change) -> Row:
    what, cost, headroom = figures_of(change)
    return change.row.name, what, cost, headroom


def _broken(found: Comparison) -> Iterable[str]:
    for change in found.changes:
        for violation in (*change.new, *change.old):
            before = "" if violation in change.new else " (as before)"
            yield f"**{change.row.name}**: `{violation.reason}`{before}: {_escaped(violation.message)}"
    if found.over_budget:
        yield f"`OverBudget`: {words.usd(found.after.usd_per_hour)} USD per hour, {words.usd(found.budget)} allowed"


def _why(report: Report) -> list[str]:
    lines = []
    for w in report.workloads:
        if w.planned:  # else it is told under what is broken
            lines.append(f"**{w.name}**: `{w.reason}`: {_escaped(w.message)}")
        else:
            lines.append(f"**{w.name}**: `{w.reason}`")
        lines += [f"  - {r.words}: `{r.reason}`: {_escaped(r.message)}" for r in w.rejected[: words.SHOWN]]
        if w.rejected:
            lines.append(f"  - {len(w.rejected)} not chosen: {words.counts(w)}")
    return lines


def grid(headings: Row, rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in row)} |" for row in lines)


def listed(title: str, lines: Iterable[str]) -> str:
    """Nothing where there are no lines."""
    found = [f"- {line}" for line in lines]
    return "\n".join([f"### {title}", "", *found]) if found else ""


def folded(title: str, lines: Sequence[str]) -> str:
    """Behind a triangle, so that a comment stays short."""
    body = "\n".join(line if line.startswith("  - ") else f"- {line}" for line in lines)
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>" if lines else ""


def _cell(text: str) -> str:
    return _escaped(text).replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    """Names and messages may hold what Markdown or HTML would take for its own."""
    return "".join(f"\\{c}" if c in "\\`*_[]<#" else c for c in text).replace("\n", " ")
