"""A plan as one HTML page that needs nothing else: style and pictures are inside, and there are no scripts. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from inferfleet.offline.render import table, words
from inferfleet.offline.render.html.chart import axes, chart
from inferfleet.offline.render.html.style import STYLE
from inferfleet.offline.types import Frontier, Report, WorkloadRow

NUMBERS = frozenset({"DEMAND", "USED", "REPLICAS", "USD/H", "USD/1M", "HEADROOM", "USD/ACCEL-H", "NODES"})
"""Columns whose cells are figures."""
REJECTED = ("CANDIDATE", "REASON", "WHY")
MOST = 40
"""Rejected candidates of a workload that are listed."""
PLACEMENT_TERMS = (
    ("DEMAND", "tokens per second that are planned for: those that the class generates, or reads where it only reads"),
    ("USD/H", "US dollars per hour, of all replicas"),
    ("USD/1M", "US dollars per million of these tokens, when replicas are as busy as the class plans them to be"),
    ("LATENCY", "expected, of what the class allows; TTFT: time to first token, TPOT: time per output token"),
    ("HEADROOM", "what is left of the tightest target, in percent of it"),
)
POOL_TERMS = (
    ("USD/ACCEL-H", "US dollars for one accelerator, or CPU core, and hour"),
    ("USED", "accelerators, or CPU cores, that the plan takes, of those that there are or may be"),
)
"""What the headings mean."""
_LEGEND = (
    ('<path class="chosen" d="M9 0l7 7l-7 7l-7 -7z"/>', "chosen"),
    ('<circle class="possible" cx="9" cy="7" r="4"/>', "possible"),
    ('<path class="rejected" d="M6 4l6 6m0 -6l-6 6"/>', "rejected, by a target or for another reason"),
    ('<path class="frontier" d="M1 3H9V11H17"/>', "frontier: nothing is cheaper and as fast"),
    ('<line class="target" x1="0" x2="18" y1="7" y2="7"/>', "target or limit of the class"),
)


def plan(report: Report) -> str:
    """The whole document."""
    body = [
        "<h1>Plan of the fleet</h1>",
        f'<p class="soft">{escape(words.summary(report))}</p>',
        _listed("Broken", [f"{w.name}: {v.reason}: {v.message}" for w, v in report.violations], "bad"),
        "<h2>Placements</h2>",
        grid(table.PLACEMENTS, [row for w in report.workloads for row in table.workload_rows(w)]),
        _terms(PLACEMENT_TERMS),
        "<h2>Pools</h2>",
        grid(table.POOLS, table.pool_rows(report)),
        _terms(POOL_TERMS),
        "<h2>Why</h2>",
        _legend() if report.frontiers else "",
        *(_workload(w, report.frontiers.get(w.key)) for w in report.workloads),
        *(_listed(title, lines) for title, lines in words.sections(report)),
    ]
    return _document("\n".join(filter(None, body)))


def _document(body: str) -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Plan of the fleet</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def grid(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls by itself where the window is narrow."""
    classes = [' class="number"' if heading in NUMBERS else "" for heading in headings]

    def line(cells: Sequence[str], tag: str) -> str:
        made = (f"<{tag}{class_}>{escape(c)}</{tag}>" for c, class_ in zip(cells, classes, strict=True))
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    head = line(headings, "th")
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _terms(terms: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(meaning)}</dd></div>" for term, meaning in terms)
    return f'<dl class="terms">{items}</dl>'


def _legend() -> str:
    items = (f"<span><svg viewBox='0 0 18 14' aria-hidden='true'>{mark}</svg>{text}</span>" for mark, text in _LEGEND)
    return f'<p class="legend">{"".join(items)}</p>'


def _workload(w: WorkloadRow, found: Frontier | None) -> str:
    said = f"<p{'' if w.planned else ' class=bad'}><code>{escape(w.reason)}</code> {escape(w.message)}</p>"
    parts = [f"<section><h3>{escape(w.name)}</h3>", said, _charts(found) if found else "", _rejected(w), "</section>"]
    return "\n".join(filter(None, parts))


def _charts(found: Frontier) -> str:
    figures = []
    for name in axes(found):
        if drawn := chart(found, name):
            caption = (
                f"USD per 1M tokens over {words.NAMES[name]}; {len(found.points)} combinations of candidate and slots"
            )
            figures.append(f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>")
    return f'<div class="charts">{"".join(figures)}</div>' if figures else ""


def _rejected(w: WorkloadRow) -> str:
    """The best first, and how many of each reason."""
    if not w.rejected:
        return ""
    rows = [(r.words, r.reason, r.message) for r in w.rejected[:MOST]]
    more = f"<p>and {len(w.rejected) - MOST} more</p>" if len(w.rejected) > MOST else ""
    title = f"{words.number(len(w.rejected), 'candidate')} not chosen: {words.counts(w)}"
    return f"<details><summary>{escape(title)}</summary>\n{grid(REJECTED, rows)}{more}\n</details>"


def _listed(title: str, lines: Sequence[str], class_: str = "") -> str:
    if not lines:
        return ""
    items = "\n".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>{title}</h2>\n<ul{f' class={class_}' if class_ else ''}>\n{items}\n</ul>"
