"""Links between the pages of the documentation, and paths that they name, lead somewhere."""

import re
from pathlib import Path

import pytest

from inferfleet.api.docgen import slug

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
]

FOLDERS = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(".")} - {"build"}
"""What a path in the repository begins with; `build` is made, not kept."""


def prose(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: there is no {path}"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def paths(text: str) -> set[str]:
    """What back-ticked text names below a folder of the repository, command by word; capitals stand for a name."""
    words = {word for span in re.findall(r"`([^`]+)`", text) for word in span.split()}
    parts = {word: word.split("/") for word in words if "/" in word}
    return {word for word, (top, *below) in parts.items() if top in FOLDERS and not any(p.isupper() for p in below)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    assert [path for path in sorted(paths(prose(page))) if not any(ROOT.glob(path))] == []


def test_a_path_is_found_in_a_command_and_over_the_end_of_a_line() -> None:
    said = "`a/b`, `kubectl apply -k\ncharts/plain`, `inferfleet.io/v1alpha1`, `docs/designs/` and `examples/FOLDER`"
    assert paths(said) == {"charts/plain", "docs/designs/"}
