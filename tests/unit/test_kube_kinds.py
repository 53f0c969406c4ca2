"""Where objects live, and how logs of them look."""

import io
import json
import logging

import pytest

from inferfleet.kube.kinds import DEPLOYMENT, HARDWARE_POOL, KINDS, MODEL, NODE, POD, Kind, key_of, kind_of
from inferfleet.logs import JsonFormatter


@pytest.mark.parametrize(
    ("kind", "parts", "path"),
    [
        (POD, ("", ""), "/api/v1/pods"),
        (POD, ("n", ""), "/api/v1/namespaces/n/pods"),
        (POD, ("n", "p", "status"), "/api/v1/namespaces/n/pods/p/status"),
        (NODE, ("", "node-1"), "/api/v1/nodes/node-1"),
        (DEPLOYMENT, ("n", "d"), "/apis/apps/v1/namespaces/n/deployments/d"),
        (MODEL, ("n", "m", "status"), "/apis/inferfleet.io/v1alpha1/namespaces/n/models/m/status"),
        (HARDWARE_POOL, ("", "h100"), "/apis/inferfleet.io/v1alpha1/hardwarepools/h100"),
    ],
)
def test_each_kind_has_its_path(kind: Kind, parts: tuple[str, ...], path: str) -> None:
    assert kind.path(*parts) == path


def test_a_namespaced_object_without_its_namespace_has_no_path() -> None:
    with pytest.raises(ValueError, match="Pod 'p' is namespaced"):
        POD.path("", "p")


def test_an_object_tells_its_kind_and_key() -> None:
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "n", "name": "d"}}
    assert kind_of(obj) is DEPLOYMENT
    assert key_of(obj) == ("n", "d")
    assert key_of({"metadata": {"name": "node-1"}}) == ("", "node-1")
    assert len(KINDS) == len({kind.plural for kind in KINDS.values()})


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="Gadget"):
        kind_of({"apiVersion": "v1", "kind": "Gadget"})


def test_a_log_line_is_one_json_object_with_its_extra_fields_and_traceback() -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("inferfleet.test")
    logger.addHandler(handler)
    logger.info("line\nbreak %s", "x", extra={"key": ("n", "m"), "msg2": object})
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError:
        logger.exception("failed")
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["level"], first["logger"], first["msg"]) == ("info", "inferfleet.test", "line\nbreak x")
    assert first["key"] == ["n", "m"]
    assert "ZeroDivisionError: a bug" in second["traceback"]
