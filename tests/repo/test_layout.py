"""Rules of the repository that no linter knows."""

from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def test_the_folder_named_operator_cannot_shadow_the_standard_library() -> None:
    inside = {p.name for p in (ROOT / "operator").iterdir() if p.name != "__pycache__"}
    assert inside <= {"inferfleet", "Dockerfile"}
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_charts_and_package_have_one_version() -> None:
    from inferfleet import __version__
    from inferfleet_runtime import __version__ as runtime

    charts = [yaml.safe_load(p.read_text()) for p in (ROOT / "charts").glob("*/Chart.yaml")]
    assert {c["version"] for c in charts} | {c["appVersion"] for c in charts} == {__version__} == {runtime}
    assert f'version = "{__version__}"' in (ROOT / "pyproject.toml").read_text()
