"""Every form by its name on the command line. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from inferfleet.offline.compare import Comparison
from inferfleet.offline.render import as_json, diff_text, markdown, sarif, table
from inferfleet.offline.render.html import page
from inferfleet.offline.types import Report

PLAN: Mapping[str, Callable[[Report], str]] = MappingProxyType(
    {"table": table.plan, "json": as_json.plan, "markdown": markdown.plan, "html": page.plan}
)
DIFF: Mapping[str, Callable[[Comparison], str]] = MappingProxyType(
    {"text": diff_text.diff, "json": as_json.diff, "markdown": markdown.diff, "sarif": sarif.diff}
)
