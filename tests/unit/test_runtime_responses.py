import pytest

from inferfleet_runtime.api.calls import Limits
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.requests import parse
from inferfleet_runtime.api.response_answers import Responses
from inferfleet_runtime.api.work import Work

PATH = "/v1/responses"
LIMITS = Limits(names=frozenset({"m"}), context_tokens=100, default_output_tokens=40)
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}


def asked(**fields):
    return parse({"model": "m", "input": "x" * 40, **fields}, PATH, LIMITS)


def test_a_text_is_a_chat_of_one_message():
    call = asked(max_output_tokens=7)
    assert (call.endpoint, call.path, call.prompt_param) == (PATH, "/v1/chat/completions", "input")
    assert call.body == {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], "max_tokens": 7}
    assert call.work == Work(prompt=14, output=7)


def test_instructions_come_first_and_items_keep_their_order():
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "d"},
    ]
    messages = asked(input=items, instructions="be brief").body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool"]
    assert messages[1]["content"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages[2]["content"] == "c"
    assert messages[2]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert messages[3] == {"role": "tool", "tool_call_id": "1", "content": "d"}


def test_a_schema_and_a_choice_of_tool_are_enforced_as_in_a_chat():
    form = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    call = asked(text={"format": form})
    assert call.schema == "text"
    assert call.body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    call = asked(tools=[FUNCTION], tool_choice={"type": "function", "name": "f"})
    assert call.schema == "tools"
    assert len(call.rewriters) == 2
    assert asked(tools=[FUNCTION]).body["tools"][0]["function"]["name"] == "f"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "c"}, "conversation"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"summary": "auto"}}, "reasoning"),
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0]"),
        ({"input": [{"type": "function_call", "call_id": "1"}]}, "input[0]"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"instructions": 5}, "instructions"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_is_not_supported_is_refused_by_its_name(fields, param):
    with pytest.raises(ApiError) as raised:
        asked(**fields)
    assert (raised.value.status, raised.value.param) == (400, param)


@pytest.mark.parametrize(
    "fields", [{"store": False}, {"background": False}, {"include": []}, {"truncation": "disabled"}]
)
def test_what_changes_nothing_is_taken(fields):
    assert asked(**fields)


def chunk(delta=None, reason=None, usage=None):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "chatcmpl-x1", "created": 5, "model": "team/m", "choices": choices} | (
        {"usage": usage} if usage else {}
    )


USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}


def stream(*chunks, request=None):
    made = Responses(request or {"model": "m"}, 40)
    return [event for one in chunks for event in made.event(one)]


def test_a_stream_of_text_has_every_event_in_its_order_and_number():
    events = stream(
        chunk({"role": "assistant", "content": None}),
        chunk({"content": "he"}),
        chunk({"content": "llo"}),
        chunk({}, "stop"),
        chunk(usage=USAGE),
    )
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(10))
    last = events[-1]["response"]
    assert (last["status"], last["output"][0]["content"][0]["text"]) == ("completed", "hello")
    assert last["usage"]["input_tokens_details"] == {"cached_tokens": 4}
    assert last["usage"]["total_tokens"] == 11
    assert last["store"] is False


def test_an_answer_cut_at_its_length_is_incomplete():
    last = stream(chunk({"content": "a"}), chunk({}, "length"), chunk(usage=USAGE))[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_calls_are_items_of_their_own():
    def called(index, **function):
        return {
            "tool_calls": [{"index": index, "function": function} | ({"id": f"c{index}"} if "name" in function else {})]
        }

    events = stream(
        chunk(called(0, name="f", arguments="")),
        chunk(called(0, arguments='{"a"')),
        chunk(called(0, arguments=":1}")),
        chunk(called(1, name="g", arguments="")),
        chunk(called(1, arguments="{}")),
        chunk({}, "tool_calls"),
        chunk(usage=USAGE),
    )
    done = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    assert [(e["output_index"], e["name"], e["arguments"]) for e in done] == [(0, "f", '{"a":1}'), (1, "g", "{}")]
    output = events[-1]["response"]["output"]
    assert [(item["type"], item["call_id"], item["name"]) for item in output] == [
        ("function_call", "c0", "f"),
        ("function_call", "c1", "g"),
    ]


def test_a_whole_answer_has_text_and_calls():
    call = {"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "well", "tool_calls": [call]}
    payload = chunk() | {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": USAGE}
    answer = Responses({"model": "m", "temperature": 0.5}, 40).answer(payload)
    assert [item["type"] for item in answer["output"]] == ["message", "function_call"]
    assert (answer["object"], answer["status"], answer["temperature"]) == ("response", "completed", 0.5)


def test_a_break_is_an_event_of_responses():
    (event,) = stream({"error": {"message": "gone", "code": "engine_lost"}})
    assert (event["type"], event["message"], event["code"]) == ("error", "gone", "engine_lost")
