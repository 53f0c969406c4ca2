"""Requests of well-formed JSON that make no sense: the client is told, whatever it is."""

import copy
import json

import pytest

from inferfleet_runtime.api.calls import Limits
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.requests import decode, parse

LIMITS = Limits(names=frozenset({"m"}), context_tokens=1000, default_output_tokens=40)
CHAT, TEXT, RESPONSES, EMBEDDINGS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
)
PARAMETERS = {
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/x"}},
    "$defs": {"x": {"type": "string"}},
    "definitions": {"y": {"type": "string"}},
}
TOOLS = [{"type": "function", "function": {"name": n, "description": "d", "parameters": PARAMETERS}} for n in "fg"]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
COMMON = {"model": "m", "temperature": 1, "stop": ["a"], "seed": 1, "stream": True}
MESSAGES = [
    {"role": "developer", "content": "a"},
    {"role": "user", "content": [{"type": "text", "text": "b"}]},
    {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"role": "tool", "tool_call_id": "1", "content": "c"},
]
OPTIONS = {
    "stream_options": {"include_usage": True},
    "max_tokens": 3,
    "logprobs": True,
    "top_logprobs": 2,
    "logit_bias": {"5": 1},
    "reasoning_effort": "low",
}
ITEMS = [
    {"role": "user", "content": [{"type": "input_text", "text": "a"}]},
    {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "1", "output": "d"},
]
FLAT = [{"type": "function", "name": name, "parameters": PARAMETERS} for name in "fg"]
GOOD = [
    (CHAT, COMMON | OPTIONS | {"messages": MESSAGES, "tools": TOOLS, "tool_choice": "required", "n": 1}),
    (CHAT, COMMON | {"messages": MESSAGES, "tools": TOOLS, "response_format": SCHEMA}),
    (CHAT, COMMON | {"messages": MESSAGES, "tools": TOOLS, "tool_choice": TOOLS[0] | {"function": {"name": "f"}}}),
    (TEXT, COMMON | {"prompt": "a", "max_tokens": 3, "logprobs": 2, "echo": False, "suffix": ""}),
    (RESPONSES, COMMON | {"input": ITEMS, "tools": FLAT, "tool_choice": {"type": "function", "name": "f"}}),
    (RESPONSES, {"model": "m", "input": ITEMS, "instructions": "i", "reasoning": {"effort": "low"}, "include": []}),
    (RESPONSES, {"model": "m", "input": "a", "text": {"format": {"type": "json_schema", "schema": {"a": 1}}}}),
    (EMBEDDINGS, {"model": "m", "input": ["a", [1, 2]], "encoding_format": "float"}),
]
ODD = [None, True, 0, -1, 10**30, 1.5, "", "x", [], [1], [[]], [{}], {}, {"type": []}, {"a": [1]}]


def places(value, path=()):
    """Paths of everything inside, the outermost first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from places(one, (*path, key))


def replaced(body, path, odd):
    """The body with something else in one place, and the bodies that lack it."""
    changed = copy.deepcopy(body)
    target = changed
    for key in path[:-1]:
        target = target[key]
    if odd is ...:
        del target[path[-1]]
    else:
        target[path[-1]] = odd
    return changed


@pytest.mark.parametrize(("endpoint", "body"), GOOD)
def test_whatever_stands_in_any_place_is_taken_or_refused_by_the_client_s_fault(endpoint, body):
    assert parse(decode(json.dumps(body).encode()), endpoint, LIMITS)
    bodies = [replaced(body, path, odd) for path in list(places(body))[1:] for odd in (..., *ODD)]
    statuses = {status_of(odd, endpoint) for odd in bodies}
    assert statuses == {200, 400, 404}


def status_of(body, endpoint):
    """What the client gets, if the engine takes whatever it is sent. Any other exception fails the test."""
    try:
        call = parse(body, endpoint, LIMITS)
    except ApiError as error:
        return error.status
    json.dumps(call.body)
    for make in call.rewriters:
        make()
    return 200


def chat(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}


def with_definitions(value):
    parameters = {"$defs": value}
    return chat(tools=[{"type": "function", "function": {"name": "f", "parameters": parameters}}])


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, chat(messages=[{"role": ["user"], "content": "x"}]), "messages[0].role"),
        (CHAT, chat(messages=[{"role": {}, "content": "x"}]), "messages[0].role"),
        (CHAT, chat(reasoning_effort=[1]), "reasoning_effort"),
        (CHAT, with_definitions([1]), "tools[0]"),
        (CHAT, with_definitions("x"), "tools[0]"),
        (RESPONSES, {"model": "m", "input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0]"),
        (RESPONSES, {"model": "m", "input": "x", "reasoning": {"effort": [1]}}, "reasoning_effort"),
    ],
)
def test_what_has_the_wrong_shape_is_named(endpoint, body, param):
    with pytest.raises(ApiError) as raised:
        parse(decode(json.dumps(body).encode()), endpoint, LIMITS)
    assert (raised.value.status, raised.value.param) == (400, param)


@pytest.mark.parametrize("levels", [200, 600, 5000])
@pytest.mark.parametrize(("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_what_is_nested_too_deeply_is_refused(levels, opening, closing):
    body = b'{"model": "m", "tools": ' + opening * levels + b"1" + closing * levels + b"}"
    with pytest.raises(ApiError, match=r"nested more than 200 deep|recursion") as raised:
        decode(body)
    assert raised.value.status == 400


@pytest.mark.parametrize("kind", ["object", "list"])
def test_what_is_nested_as_deeply_as_allowed_passes_every_check(kind):
    schema = {}
    for _ in range(190):
        schema = {"a": schema} if kind == "object" else [schema]
    offered = [{"type": "function", "function": {"name": n, "parameters": {"properties": schema}}} for n in "fg"]
    body = chat(tools=offered, tool_choice="required")
    assert json.dumps(parse(decode(json.dumps(body).encode()), CHAT, LIMITS).body)


FORCED = {"tools": TOOLS, "tool_choice": "required"}


def test_a_form_of_the_answer_beside_a_forced_call_is_refused():
    with pytest.raises(ApiError, match="leave out one of them") as raised:
        parse(chat(response_format=SCHEMA, **FORCED), CHAT, LIMITS)
    assert (raised.value.status, raised.value.param) == (400, "response_format")


@pytest.mark.parametrize("form", [5, {"type": "bogus"}, {"type": "json_schema"}])
def test_a_form_that_is_none_is_refused_beside_a_forced_call_too(form):
    with pytest.raises(ApiError) as raised:
        parse(chat(response_format=form, **FORCED), CHAT, LIMITS)
    assert raised.value.param == "response_format"


def test_plain_text_as_the_form_does_not_contradict_a_forced_call():
    call = parse(chat(response_format={"type": "text"}, **FORCED), CHAT, LIMITS)
    assert call.schema == "tools"
