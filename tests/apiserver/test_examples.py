"""Examples and the manifests of the documentation, as real API servers take them: strictly, without a warning."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from apiserver.server import Server

from inferfleet.api.base import GROUP, VERSION
from inferfleet.kube import kinds
from inferfleet.kube.kinds import Kind

ROOT = Path(__file__).parents[2]
KINDS: dict[str, Kind] = {
    kind.kind: kind for kind in (kinds.MODEL, kinds.WORKLOAD_CLASS, kinds.HARDWARE_POOL, kinds.CAPACITY_PROFILE)
}
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
PAGES = sorted((ROOT / "docs").glob("*.md"))


def ours(text: str) -> list[dict[str, Any]]:
    found = [o for o in yaml.safe_load_all(text) if isinstance(o, dict)]
    return [o for o in found if o.get("apiVersion") == f"{GROUP}/{VERSION}"]


def snippets(page: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.+?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def check(server: Server, objects: list[dict[str, Any]]) -> None:
    for obj in objects:
        if obj["kind"] == "Model":
            obj["metadata"]["namespace"] = "default"
        answer = server.create(KINDS[obj["kind"]], obj)
        assert (answer.code, answer.lines, answer.warnings) == (201, (), ()), obj["metadata"]["name"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT)))
def test_an_example_is_accepted(server: Server, path: Path) -> None:
    check(server, ours(path.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_the_manifests_of_a_page_are_accepted(server: Server, page: Path) -> None:
    check(server, [obj for text in snippets(page) for obj in ours(text)])
