import json

import hypothesis.strategies as st
import pytest
from hypothesis import given

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.tool_calls import Scanner, ToolCalls
from inferfleet_runtime.api.tools import forced


def tool(name, **parameters):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


CITY = tool("weather", type="object", properties={"city": {"type": "string"}}, required=["city"])
CLOCK = {"type": "function", "function": {"name": "clock"}}
NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_where_the_model_may_choose_nothing_is_forced(choice):
    assert forced({"tools": [CITY]} | ({"tool_choice": choice} if choice else {})) is None


def test_a_named_function_constrains_the_answer_to_its_arguments():
    found = forced({"tools": [CLOCK, CITY], "tool_choice": NAMED})
    assert found.alone.name == "weather"
    assert found.schema() == CITY["function"]["parameters"]


def test_a_function_without_parameters_takes_none():
    found = forced({"tools": [CLOCK], "tool_choice": "required"})
    assert found.schema() == {"type": "object", "properties": {}, "additionalProperties": False}


def test_of_several_functions_the_answer_names_one():
    found = forced({"tools": [CLOCK, CITY], "tool_choice": "required"})
    names = [one["properties"]["name"]["const"] for one in found.schema()["anyOf"]]
    assert names == ["clock", "weather"]
    assert all(one["required"] == ["name", "arguments"] for one in found.schema()["anyOf"])


def test_parallel_calls_are_a_bounded_list():
    found = forced({"tools": [CITY], "tool_choice": "required", "parallel_tool_calls": True})
    assert found.schema()["type"] == "array"
    assert found.schema()["minItems"] == 1
    assert found.schema()["maxItems"] > 1


def test_definitions_of_several_functions_do_not_mix():
    def with_definition(name, kind):
        return tool(name, type="object", properties={"x": {"$ref": "#/$defs/x"}}, **{"$defs": {"x": {"type": kind}}})

    schema = forced(
        {"tools": [with_definition("a", "string"), with_definition("b", "number")], "tool_choice": "required"}
    )
    schema = schema.schema()
    for one, kind in zip(schema["anyOf"], ("string", "number"), strict=True):
        reference = one["properties"]["arguments"]["properties"]["x"]["$ref"]
        assert schema["$defs"][reference.removeprefix("#/$defs/")] == {"type": kind}


def test_the_instruction_shows_the_model_what_it_can_call():
    found = forced({"tools": [CLOCK, CITY], "tool_choice": "required"})
    assert '"clock"' in found.instruction()
    assert '"city"' in found.instruction()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0]"),
        ({"tools": [tool("x", type="string")]}, "tools[0]"),
        ({"tools": [CITY, CITY]}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": NAMED}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": "always"}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [CLOCK], "parallel_tool_calls": 1}, "parallel_tool_calls"),
    ],
)
def test_a_malformed_tool_names_its_parameter(body, param):
    with pytest.raises(ApiError) as raised:
        forced(body)
    assert (raised.value.status, raised.value.param) == (400, param)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
CALLS = st.lists(st.tuples(st.text(min_size=1), st.dictionaries(st.text(), VALUES, max_size=3)), min_size=1, max_size=3)


def cut(data, text):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def read(scanner, bits):
    names, arguments = {}, {}
    for piece in (piece for bit in bits for piece in scanner.feed(bit)):
        if piece.name is not None:
            names[piece.index] = piece.name
        arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
    assert all(text == text.strip() for text in arguments.values())
    return [(names[i], json.loads(arguments[i])) for i in sorted(names)]


@given(CALLS, st.sampled_from([None, 2]), st.booleans(), st.data())
def test_calls_come_out_as_they_are_however_their_text_is_cut(calls, indent, ascii_only, data):
    listed = [{"name": name, "arguments": arguments} for name, arguments in calls]
    text = json.dumps(listed if len(listed) > 1 else listed[0], indent=indent, ensure_ascii=ascii_only)
    assert read(Scanner(None), cut(data, text)) == calls


@given(st.dictionaries(st.text(), VALUES), st.data())
def test_the_arguments_of_one_function_are_the_whole_text(arguments, data):
    text = "\n " + json.dumps(arguments) + " \n"
    assert read(Scanner("f"), cut(data, text)) == [("f", arguments)]


def test_a_text_that_was_cut_off_gives_the_arguments_so_far():
    pieces = Scanner(None).feed('{"name": "f", "arguments": {"a": "b')
    assert [piece.name for piece in pieces] == ["f", None]
    assert pieces[-1].arguments == '{"a": "b'


def rewriter(choice="required", tools=(CLOCK, CITY)):
    return ToolCalls(forced({"tools": list(tools), "tool_choice": choice}))


def test_a_whole_answer_becomes_calls():
    message = {"role": "assistant", "content": '{"name": "weather", "arguments": {"city": "Oslo"}}'}
    answer = {"id": "chatcmpl-x1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    (choice,) = rewriter().answer(answer)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call == {
        "id": "call_x1_0",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
    }


def test_an_answer_that_was_cut_off_keeps_its_reason():
    message = {"content": '{"city": "Os'}
    answer = {"id": "chatcmpl-x1", "choices": [{"message": message, "finish_reason": "length"}]}
    (choice,) = rewriter(NAMED).answer(answer)["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Os'


def test_a_stream_becomes_deltas_of_calls():
    calls = rewriter(NAMED)

    def events(delta, reason=None):
        return calls.event({"id": "chatcmpl-x1", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    opened = events({"role": "assistant", "content": None})
    assert opened[0]["choices"][0]["delta"] == {"role": "assistant", "content": None}
    begun = [event["choices"][0]["delta"]["tool_calls"][0] for event in events({"content": '{"city"'})]
    assert begun[0]["id"] == "call_x1_0"
    assert begun[0]["function"] == {"name": "weather", "arguments": ""}
    assert begun[1] == {"index": 0, "function": {"arguments": '{"city"'}}
    assert events({}, "stop")[0]["choices"][0]["finish_reason"] == "tool_calls"
    usage = {"choices": [], "usage": {}}
    assert calls.event(usage) == [usage]
