"""What the API server stores in other words than it was given is no drift; what somebody changed is."""

from typing import Any

import pytest

from inferfleet.fleet.drift import contains

WORDED: dict[str, tuple[Any, Any]] = {
    "milli-cores": ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "2000m"}}),
    "cores as a number": ({"limits": {"cpu": "2"}}, {"limits": {"cpu": 2}}),
    "mebibytes": ({"requests": {"memory": "1Gi"}}, {"requests": {"memory": "1024Mi"}}),
    "a size limit": ({"emptyDir": {"sizeLimit": "1Gi"}}, {"emptyDir": {"sizeLimit": "1024Mi"}}),
    "an empty text": ({"name": "A"}, {"name": "A", "value": ""}),
    "false": ({}, {"hostNetwork": False}),
    "zero": ({}, {"initialDelaySeconds": 0}),
    "an empty list": ({}, {"hostAliases": []}),
    "an empty map": ({}, {"nodeSelector": {}}),
    "null": ({}, {"value": None}),
    "null in a list": ({"options": [{"name": "ndots"}]}, {"options": [{"name": "ndots", "value": None}]}),
    "null where there is a default": ({"protocol": "TCP"}, {"protocol": None}),
    "null for an amount": ({"limits": {"cpu": "1"}}, {"limits": {"cpu": None}}),
}
CHANGED: dict[str, tuple[Any, Any]] = {
    "an empty label of a node that is gone": ({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"a": "b", "gpu": ""}}),
    "an empty entry that is gone": ({"data": {}}, {"data": {"note": ""}}),
    "a volume of another kind": ({"name": "w", "hostPath": {"path": "/etc"}}, {"name": "w", "emptyDir": {}}),
    "another amount": ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "2001m"}}),
    "an amount that is gone": ({"limits": {}}, {"limits": {"cpu": "1"}}),
    "amounts that are gone": ({}, {"limits": {"cpu": "1"}}),
    "an amount that is none": ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "lots"}}),
    "what only looks like a quantity": ({"value": "1"}, {"value": "1000m"}),
    "a text that was filled": ({"value": "x"}, {"value": ""}),
    "a switch that was turned": ({"hostNetwork": True}, {"hostNetwork": False}),
    "a list that was filled": ({}, {"hostAliases": [{"ip": "10.0.0.1"}]}),
    "a token that is mounted again": ({}, {"automountServiceAccountToken": False}),
    "privileges that may be escalated again": ({"runAsNonRoot": True}, {"allowPrivilegeEscalation": False}),
    "replicas that were left to the default": ({}, {"replicas": 0}),
}


@pytest.mark.parametrize(("live", "desired"), WORDED.values(), ids=WORDED)
def test_the_same_in_the_words_of_the_api_server_is_no_drift(live: Any, desired: Any) -> None:
    assert contains(live, desired)
    assert contains({"spec": [live]}, {"spec": [desired]})


@pytest.mark.parametrize(("live", "desired"), CHANGED.values(), ids=CHANGED)
def test_what_differs_is_drift(live: Any, desired: Any) -> None:
    assert not contains(live, desired)
    assert not contains({"spec": [live]}, {"spec": [desired]})
