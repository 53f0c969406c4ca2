"""A comparison as text, for a terminal. Pure."""

from inferfleet.catalog.tables import aligned
from inferfleet.offline.compare import Comparison
from inferfleet.offline.render import words
from inferfleet.offline.render.changes import figures_of, sentence
from inferfleet.offline.render.table import titled

HEADINGS = ("WORKLOAD", "CHANGE", "USD/H", "HEADROOM")


def diff(found: Comparison) -> str:
    """What changes, what breaks, and what it costs."""
    rows = [HEADINGS, *((c.row.name, *figures_of(c)) for c in found.told)]
    blocks = [
        aligned(rows) if found.told else ["no workload changes"],
        titled("Broken", _broken(found)),
        [sentence(found)],
        *(titled(title, list(lines)) for title, lines in words.sections(found.after)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _broken(found: Comparison) -> list[str]:
    lines = []
    for change in found.changes:
        for violation in (*change.new, *change.old):
            before = "" if violation in change.new else " (as before)"
            lines.append(f"{change.row.name}: {violation.reason}{before}: {violation.message}")
    if found.over_budget:
        after, budget = words.usd(found.after.usd_per_hour), words.usd(found.budget)
        lines.append(f"OverBudget: {after} USD per hour, {budget} allowed")
    return lines
