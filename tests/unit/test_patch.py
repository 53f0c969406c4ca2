"""The admins' patch of pod templates."""

from typing import Any

import pytest

from inferfleet.fleet.build.patch import patched
from inferfleet.fleet.build.scheduling import priority_class

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"a": "1"}},
    "spec": {
        "containers": [{"name": "serve", "image": "i", "env": [{"name": "A", "value": "1"}]}],
        "tolerations": [{"key": "x"}],
    },
}


@pytest.mark.parametrize(
    ("patch", "path", "expected"),
    [
        ({"metadata": {"labels": {"b": "2"}}}, ("metadata", "labels"), {"a": "1", "b": "2"}),
        ({"spec": {"hostNetwork": True}}, ("spec", "hostNetwork"), True),
        ({"spec": {"tolerations": [{"key": "y"}]}}, ("spec", "tolerations"), [{"key": "y"}]),
        (
            {"spec": {"containers": [{"name": "serve", "env": [{"name": "B", "value": "2"}]}]}},
            ("spec", "containers", 0, "env"),
            [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
        ),
        ({"spec": {"containers": [{"name": "sidecar", "image": "s"}]}}, ("spec", "containers", 1, "name"), "sidecar"),
    ],
)
def test_maps_and_named_lists_merge_and_other_lists_are_replaced(patch: Any, path: Any, expected: Any) -> None:
    found: Any = patched(TEMPLATE, patch)
    for part in path:
        found = found[part]
    assert found == expected


def test_null_removes_and_nothing_changes_the_template_that_was_given() -> None:
    assert "tolerations" not in patched(TEMPLATE, {"spec": {"tolerations": None}})["spec"]
    assert "tolerations" in TEMPLATE["spec"]
    assert patched(TEMPLATE, None) is TEMPLATE


@pytest.mark.parametrize(
    ("priority", "expected"), [(1000, "high"), (5000, "high"), (999, "low"), (0, None), (-5, "batch"), (-50, None)]
)
def test_a_pod_gets_the_largest_priority_class_that_is_not_above_its_class(priority: int, expected: str | None) -> None:
    assert priority_class(priority, {1000: "high", 10: "low", -10: "batch"}) == expected


def test_without_priority_classes_there_is_none() -> None:
    assert priority_class(1000, {}) is None
