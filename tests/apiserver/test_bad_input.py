"""What users are told at apply time, word for word, by the oldest and the newest supported API server."""

import os
import re
from collections import Counter
from contextlib import closing

import pytest
from apiserver import bad_input_fields, bad_input_record, bad_input_table
from apiserver.bad_input_table import Case
from apiserver.server import Answer, Server

from inferfleet.api.crdgen import RESOURCES
from inferfleet.kube import kinds

CASES = bad_input_table.cases()
KIND_OF = {kind.kind: kind for kind in kinds.OURS}
RULES = "x-kubernetes-validations"


def answer(case: Case, server: Server) -> Answer:
    """What a server says to a case; nothing is left there."""
    kind = KIND_OF[case.kind]
    if case.old is None:
        return server.create(kind, case.manifest)
    stored = server.create(kind, case.old, keep=True)
    assert stored.ok, stored.lines
    try:
        version = stored.body["metadata"]["resourceVersion"]
        metadata = case.manifest["metadata"] | {"resourceVersion": version}
        return server.replace(kind, case.manifest | {"metadata": metadata})
    finally:
        server.delete(kind, case.old)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.name}")
def test_a_wrong_manifest_is_refused_in_these_words(case: Case, server: Server) -> None:
    told = answer(case, server)
    assert not told.ok
    assert told.lines == case.told(server.name)


@pytest.mark.parametrize("kind", KIND_OF)
def test_the_table_has_every_bound_of_every_field(kind: str, request: pytest.FixtureRequest) -> None:
    if os.environ.get("INFERFLEET_GOLDEN") == "1":
        _record(kind, request)
    made = bad_input_table.load(bad_input_table.files(kind)[1])
    without = [{key: value for key, value in raw.items() if not key.startswith("messages")} for raw in made]
    assert without == bad_input_fields.generated(kind, bad_input_table.bases()[kind]), bad_input_record.HOW


def _record(kind: str, request: pytest.FixtureRequest) -> None:
    with (
        closing(Server(request.getfixturevalue("control_plane"), "newest")) as newest,
        closing(Server(request.getfixturevalue("oldest_control_plane"), "oldest")) as oldest,
    ):
        servers = {server.name: server for server in (newest, oldest)}
        bad_input_record.record(kind, lambda case, name: answer(case, servers[name]).lines)


@pytest.mark.parametrize("kind", KIND_OF)
def test_every_field_has_a_message_that_names_it(kind: str) -> None:
    named = {path for path, _ in _told(kind)}
    lacking = [path for path, _ in bad_input_fields.paths(bad_input_fields.spec_schema(kind)) if path not in named]
    assert not lacking, f"no case for {lacking}: add some to {bad_input_table.files(kind)[0].name}"


@pytest.mark.parametrize("kind", KIND_OF)
def test_every_rule_is_broken_by_some_case(kind: str) -> None:
    told = _told(kind)
    lacking = [
        (path, rule["message"])
        for path, schema in bad_input_fields.paths(bad_input_fields.spec_schema(kind))
        for rule in schema.get(RULES, ())
        if not any(path == named and message.endswith(rule["message"]) for named, message in told)
    ]
    assert not lacking, f"no case for {lacking}: add some to {bad_input_table.files(kind)[0].name}"


@pytest.mark.parametrize("kind", KIND_OF)
def test_every_rule_about_the_name_is_broken_by_some_case(kind: str) -> None:
    (resource,) = [r for r in RESOURCES if r.kind == kind]
    told = [message for case in CASES if case.kind == kind for message in case.messages]
    assert not [rule for rule in resource.rules if not any(rule.message in message for message in told)]


def _told(kind: str) -> set[tuple[str, str]]:
    """Every (path, message) of the table, paths as in the schema."""
    lines = [line for case in CASES if case.kind == kind for line in case.messages]
    schema = bad_input_fields.spec_schema(kind)
    maps = [path for path, node in bad_input_fields.paths(schema) if "additionalProperties" in node]
    return {(_path(field, maps), message) for field, _, message in (line.partition(": ") for line in lines)}


def _path(field: str, maps: list[str]) -> str:
    """A field of a message as a path of the schema: `a[0].b[key]` as `a[].b{}`."""
    path = re.sub(r"\[\d+\]", "[]", field)
    inside = next((known for known in maps if path.startswith((f"{known}.", f"{known}["))), None)
    return f"{inside}{{}}" if inside else path


def test_no_two_cases_have_one_name() -> None:
    assert [name for name, count in Counter((c.kind, c.name) for c in CASES).items() if count > 1] == []
