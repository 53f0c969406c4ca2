"""The page of operations and the stories that run its commands."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from e2e import install
from e2e.stories import alone
from inferfleet import reasons
from inferfleet.metrics import Metrics

STORIES = Path(alone.__file__).parent


def test_every_section_that_a_story_follows_is_there_and_none_is_left_untried() -> None:
    marked = re.findall(r"<!-- story: (\S+) -->", alone.HANDBOOK.read_text())
    followed = {name for path in STORIES.glob("*.py") for name in re.findall(r'\.follow\("(\S+?)"', path.read_text())}
    assert sorted(marked) == sorted(followed)


def test_a_section_is_the_commands_below_its_mark() -> None:
    assert alone.commands("uninstall") == "helm uninstall inferfleet --namespace inferfleet-system --wait\n"


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", alone.HANDBOOK.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"{alone.HANDBOOK.name} has no section {title}"
    return found[1]


def rows(title: str) -> set[str]:
    """Names in the first column, without labels."""
    cells = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("|")]
    return {name for cell in cells for name in re.findall(r"`([A-Za-z_]+)", cell)}


@pytest.mark.parametrize("kind", reasons.CONDITIONS)
def test_every_condition_has_a_row_that_says_what_to_do(kind: str) -> None:
    assert rows(f"Conditions of a {kind}") == set(reasons.CONDITIONS[kind])


def test_every_metric_of_the_operator_has_a_row() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    names = {f"{m.name}_total" if m.type == "counter" else m.name for m in registry.collect()}
    assert rows("Metrics of the operator") == names


def test_every_alert_has_a_row() -> None:
    groups = yaml.safe_load((install.ROOT / "charts/inferfleet/files/alerts.yaml").read_text())["groups"]
    assert rows("Alerts") == {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
