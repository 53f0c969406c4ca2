"""What the chart tells the operator is what the operator reads: the rendered variables go through its own parser."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart.helm import OPERATOR, one, operator, render, variables
from chart.toggles import TOGGLES

from e2e.charts import CHARTS
from inferfleet import settings
from inferfleet.__main__ import main
from inferfleet.catalog import loader


def read(values: dict[str, Any]) -> settings.Settings:
    """The settings of an operator with these values."""
    env = variables(render(values))
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, env)
    return settings.from_arguments(parser.parse_args([]), env)


def test_defaults_are_those_of_the_operator_and_the_priority_classes() -> None:
    found = read({})
    assert found.watch_namespaces == found.runtime_image_pull_secrets == ()
    assert found.catalog == ""
    assert dict(found.priority_classes) == {
        1000: "inferfleet-interactive",
        0: "inferfleet-standard",
        -1000: "inferfleet-batch",
    }
    assert (found.log_level, found.pause_moves, found.move_saving) == ("info", False, settings.Settings.move_saving)


@pytest.mark.parametrize(
    ("path", "field", "expected"),
    [
        ("watchNamespaces", "watch_namespaces", ("team-a", "team-b")),
        ("runtime.imagePullSecrets", "runtime_image_pull_secrets", ("a", "b")),
        ("runtime.image.pullPolicy", "runtime_image_pull_policy", "Always"),
        ("runtime.image.tag", "runtime_image", "inferfleet.local/runtime:1.2.3"),
        ("runtime.trustedHeaders", "trusted_headers", True),
        ("weights.env", "fetch_env", {"HF_ENDPOINT": "https://hub.example.com", "NO_PROXY": "a,b"}),
        ("weights.pullImages", "pull_model_images", True),
        ("weights.cache.hostPath", "weights_cache_path", "/var/lib/models"),
        ("weights.cache.claim", "weights_cache_claim", "models"),
        ("weights.cache.size", "weights_cache_bytes", 200 * 2**30),
        ("logLevel", "log_level", "debug"),
        ("pauseMoves", "pause_moves", True),
        ("moveSaving", "move_saving", 0.25),
        ("priorityClasses", "priority_classes", {5: "gold", -7: "own"}),
        ("catalog.hardware", "catalog", "/etc/inferfleet/catalog"),
    ],
)
def test_a_value_arrives_as_a_setting(path: str, field: str, expected: object) -> None:
    assert getattr(read(TOGGLES[path]), field) == expected


def test_every_variable_is_one_that_the_operator_knows() -> None:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, {})
    known = {f"INFERFLEET_{action.dest.upper()}" for action in parser._actions}
    for values in TOGGLES.values():
        assert {v for v in variables(render(values)) if v.startswith("INFERFLEET_")} <= known


def test_a_priority_class_that_somebody_else_makes_is_named_but_not_made() -> None:
    objects = render(TOGGLES["priorityClasses"])
    assert [o["metadata"]["name"] for o in objects if o["kind"] == "PriorityClass"] == ["gold"]


def test_the_catalog_of_the_values_is_one_that_the_operator_loads(tmp_path: Path) -> None:
    values = {"catalog": example()}
    objects = render(values)
    config = one(objects, "ConfigMap", "inferfleet-catalog")
    assert set(config["data"]) <= set(loader.FILES.values())
    for name, text in config["data"].items():
        (tmp_path / name).write_text(text)
    assert yaml.safe_load(config["data"]["hardware.yaml"]) == values["catalog"]["hardware"]
    assert loader.load(tmp_path).accelerators["nvidia-l4"].tdp_watts == 65
    mounts = {m["name"]: m["mountPath"] for m in operator(objects)["volumeMounts"]}
    assert mounts["catalog"] == read(values).catalog


def example() -> dict[str, Any]:
    """The one in the comments of values.yaml."""
    text = (CHARTS / OPERATOR / "values.yaml").read_text()
    lines = text.split("#   catalog:\n")[1].split("\ncatalog:")[0].splitlines()
    found: dict[str, Any] = yaml.safe_load("\n".join(line.removeprefix("#     ") for line in lines))
    return found


def test_every_kind_of_catalog_entry_has_its_file() -> None:
    found = set()
    for path, values in TOGGLES.items():
        if path.startswith("catalog."):
            found |= set(one(render(values), "ConfigMap", "inferfleet-catalog")["data"])
    assert found == set(loader.FILES.values())


def test_the_pod_of_helm_test_calls_a_command_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    (container,) = one(render(), "Pod")["spec"]["containers"]
    with pytest.raises(SystemExit, match="0"):
        main([*container["args"], "--help"])
    assert "check an installed operator" in capsys.readouterr().out
