"""Where figures go: `build/bench/<name>.json`, one flat object, and a section of docs/benchmarks.md. Writes both.

A page of figures without the conditions they hold under is worth nothing: a section has both, or is not written.
"""

import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = Path("docs/benchmarks.md")
Figures = Mapping[str, float | int | str]


def publish(name: str, figures: Figures, body: str, *, root: Path = ROOT) -> Path:
    """Write the figures, and `body` (Markdown) into the page's section `name`. ValueError if it has none."""
    file = root / "build/bench" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict(figures), indent=2) + "\n")
    page = root / PAGE
    page.write_text(with_section(page.read_text(), name, body))
    return file


def with_section(page: str, name: str, body: str) -> str:
    """The page with what stands between the marks of a section replaced. Pure. ValueError without the marks."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise ValueError(f"the page has no section between {begin} and {end}")
    return pattern.sub(lambda _: f"{begin}\n\n{body.strip()}\n\n{end}", page)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table that reads well as plain text too. Pure."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def conditions() -> str:
    """Machine and day, in one sentence. Reads /proc."""
    flags = set(_first("flags").split())
    known = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile") if flag in flags]
    today = datetime.now(UTC).date().isoformat()
    generation = f"family {_first('cpu family')}, model {_first('model')}, " if flags else ""
    return (
        f"{today}, {_first('model name') or platform.machine()}, {generation}{os.cpu_count()} cores "
        f"({', '.join(known)}), {_memory_gib()} GiB, shared with other machines: compare only within one table."
    )


def _first(field: str) -> str:
    found = re.search(rf"^{field}\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1) if found else ""


def _memory_gib() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return round(int(found.group(1)) / 2**20) if found else 0
