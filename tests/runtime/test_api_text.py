"""Chats, completions and responses with a real engine, driven by the official client."""

import json
import random
from typing import Literal

import openai
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Say hello."}]
CITY = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}, "days": {"type": "integer"}},
        "required": ["city", "days"],
        "additionalProperties": False,
    },
}
CLOCK = {"name": "clock", "description": "The time."}
TOOLS = [{"type": "function", "function": function} for function in (CITY, CLOCK)]
SAME = {"model": "tiny", "max_tokens": 12, "temperature": 0}


class City(BaseModel):
    """What an answer of a fixed form holds; random weights never end a text that they may choose."""

    big: bool
    name: Literal["Rome", "Oslo"]


def words(stream):
    return [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]


@pytest.mark.parametrize("form", [{"type": "json_object"}, None])
def test_json_is_enforced_on_a_model_that_knows_none(client, form):
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, 2]}},
        "required": ["ok", "n"],
        "additionalProperties": False,
    }
    wanted = form or {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    for seed in range(20):
        answer = client.chat.completions.create(
            model="tiny", messages=HELLO, response_format=wanted, max_tokens=400, seed=seed
        )
        (choice,) = answer.choices
        if choice.finish_reason == "stop":
            assert isinstance(value := json.loads(choice.message.content), dict)
            assert form or value.keys() == {"ok", "n"}
            return
    pytest.fail("no answer ended by itself")


def test_the_clients_own_parser_gets_its_object(client):
    for seed in range(20):
        try:
            answer = client.chat.completions.parse(
                model="tiny", messages=HELLO, response_format=City, max_tokens=200, seed=seed
            )
        except openai.LengthFinishReasonError:
            continue
        assert isinstance(answer.choices[0].message.parsed, City)
        return
    pytest.fail("no answer ended by itself")


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nonsense"}}}, "nonsense"),
        ({"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#/nowhere"}}}, "nowhere"),
        ({"type": "json_schema", "json_schema": {"name": "a"}}, "schema"),
    ],
)
def test_a_schema_that_cannot_be_enforced_is_refused(client, form, says):
    with pytest.raises(openai.BadRequestError, match=says) as raised:
        client.chat.completions.create(model="tiny", messages=HELLO, response_format=form, max_tokens=5)
    assert raised.value.param == "response_format"


NAMED = {"type": "function", "function": {"name": "weather"}}


def called(client, **fields):
    """A call that was not cut off by its length; random weights like to write long."""
    for seed in range(20):
        answer = client.chat.completions.create(
            model="tiny", messages=HELLO, tools=TOOLS, max_tokens=400, seed=seed, **fields
        )
        if answer.choices[0].finish_reason == "tool_calls":
            return answer.choices[0].message
    pytest.fail("no call ended by itself")


def check(call):
    assert call.function.name in ("weather", "clock")
    arguments = json.loads(call.function.arguments)
    assert arguments.get("city") in (("Rome", "Oslo") if call.function.name == "weather" else (None,))


def test_a_required_call_is_made_with_arguments_of_its_schema(client):
    message = called(client, tool_choice="required")
    assert message.content is None
    (call,) = message.tool_calls
    check(call)


def test_a_named_function_is_the_one_that_is_called(client):
    (call,) = called(client, tool_choice=NAMED).tool_calls
    assert call.function.name == "weather"
    check(call)


def test_parallel_calls_have_an_id_each(client):
    calls = called(client, tool_choice="required", parallel_tool_calls=True).tool_calls
    for call in calls:
        check(call)
    assert len({call.id for call in calls}) == len(calls)


def test_no_call_is_made_where_none_is_wanted(client):
    answer = client.chat.completions.create(model="tiny", messages=HELLO, tools=TOOLS, tool_choice="none", max_tokens=5)
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_streamed_call_is_the_same_as_the_whole_one(client, choice):
    same = {"model": "tiny", "messages": HELLO, "tools": TOOLS, "tool_choice": choice, "temperature": 0}
    whole = client.chat.completions.create(**same, max_tokens=150).choices[0]
    stream = client.chat.completions.create(**same, max_tokens=150, stream=True, stream_options={"include_usage": True})
    name, arguments, reason, usage = "", "", None, None
    for chunk in stream:
        usage = chunk.usage or usage
        for one in chunk.choices:
            reason = one.finish_reason or reason
            for delta in one.delta.tool_calls or ():
                name += delta.function.name or ""
                arguments += delta.function.arguments
    (call,) = whole.message.tool_calls
    assert (name, arguments, reason) == (call.function.name, call.function.arguments, whole.finish_reason)
    assert usage.completion_tokens > 0


def test_logit_bias_forces_and_forbids_a_token(client):
    def text(**bias):
        return client.completions.create(prompt="hi", logit_bias=bias, **SAME | {"max_tokens": 3}).choices[0].text

    forced = text(**{"600": 100})
    assert forced == forced[: len(forced) // 3] * 3
    assert forced[: len(forced) // 3] not in text(**{"600": -100})


def test_logprobs_come_as_openai_words_them(client):
    chat = client.chat.completions.create(messages=HELLO, logprobs=True, top_logprobs=3, **SAME)
    content = chat.choices[0].logprobs.content
    assert len(content) == 12
    assert "".join(token.token for token in content) == chat.choices[0].message.content
    assert all(token.logprob == max(top.logprob for top in token.top_logprobs) for token in content)
    assert {len(token.top_logprobs) for token in content} == {3}
    text = client.completions.create(prompt="Once", logprobs=2, **SAME)
    found = text.choices[0].logprobs
    assert "".join(found.tokens) == text.choices[0].text
    assert found.text_offset[1] == len(found.tokens[0])
    stream = client.completions.create(prompt="Once", logprobs=2, stream=True, **SAME)
    tokens = [
        token
        for chunk in stream
        if chunk.choices and chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.tokens
    ]
    assert tokens == found.tokens


def test_the_same_seed_gives_the_same_text_and_another_does_not(client):
    def text(seed):
        return client.completions.create(model="tiny", prompt="Once", max_tokens=20, seed=seed).choices[0].text

    assert text(7) == text(7)
    assert len({text(seed) for seed in range(4)}) > 1


def test_a_stop_ends_the_text_before_itself(client):
    whole = client.completions.create(prompt="Once", **SAME | {"max_tokens": 40}).choices[0].text
    stop = whole[10:16]
    cut = client.completions.create(prompt="Once", stop=[stop], **SAME | {"max_tokens": 40}).choices[0]
    assert cut.finish_reason == "stop"
    assert cut.text == whole[: whole.index(stop)]


def test_penalties_change_a_greedy_text(client):
    def text(**fields):
        return client.completions.create(prompt="Once", **SAME | {"max_tokens": 60}, **fields).choices[0].text

    assert len({text(), text(frequency_penalty=2), text(presence_penalty=2)}) > 1


def test_usage_counts_what_came_from_the_cache(client):
    prompt = " ".join(random.Random(1).choices(["time", "year", "people", "way"], k=200))
    asked = [client.completions.create(prompt=prompt, **SAME).usage for _ in range(3)]
    assert {(usage.prompt_tokens, usage.completion_tokens) for usage in asked} == {(asked[0].prompt_tokens, 12)}
    assert asked[-1].prompt_tokens_details.cached_tokens > asked[-1].prompt_tokens / 2


def test_a_response_is_the_chats_text_with_its_usage(client):
    chat = client.chat.completions.create(messages=HELLO, **SAME)
    answer = client.responses.create(model="tiny", input="Say hello.", max_output_tokens=12, temperature=0)
    assert answer.output_text == chat.choices[0].message.content
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (chat.usage.prompt_tokens, 12)


def test_a_streamed_response_adds_up_to_the_whole_one(client):
    same = {"model": "tiny", "input": HELLO, "instructions": "Be brief.", "max_output_tokens": 12, "temperature": 0}
    whole = client.responses.create(**same)
    with client.responses.stream(**same) as stream:
        events = list(stream)
    final = events[-1].response
    assert events[0].type == "response.created"
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert final.output_text == whole.output_text
    assert final.usage.output_tokens == 12


def test_a_response_calls_the_function_that_it_must_call(client):
    tools = [{"type": "function", "strict": True, **CITY}]
    for number in range(20):
        asked = {"model": "tiny", "input": f"{number}", "tools": tools, "max_output_tokens": 400}
        with client.responses.stream(**asked, tool_choice={"type": "function", "name": "weather"}) as stream:
            final = stream.until_done().get_final_response()
        if final.status == "completed":
            (call,) = final.output
            assert (call.type, call.name) == ("function_call", "weather")
            assert json.loads(call.arguments)["city"] in ("Rome", "Oslo")
            items = [{"role": "user", "content": "x"}, call.to_dict()]
            output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
            after = client.responses.create(model="tiny", input=[*items, output], max_output_tokens=3)
            assert after.usage.output_tokens == 3
            return
    pytest.fail("no call ended by itself")


def test_what_a_response_cannot_have_is_named(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="tiny", input="x", previous_response_id="resp_1")
    assert (raised.value.param, raised.value.code) == ("previous_response_id", "unsupported_value")


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_over_the_context_is_openais_error(client, stream):
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model="tiny", input="word " * 4000, max_output_tokens=5, stream=stream)
    assert (raised.value.code, raised.value.param) == ("context_length_exceeded", "input")


def test_what_other_modalities_do_is_refused_with_its_reason(client, tmp_path):
    with pytest.raises(openai.NotFoundError, match="modality Embedding"):
        client.embeddings.create(model="tiny", input="x")
    sound = tmp_path / "a.wav"
    sound.write_bytes(b"RIFF")
    with pytest.raises(openai.NotFoundError, match="modality Audio"):
        client.audio.transcriptions.create(model="tiny", file=sound)
