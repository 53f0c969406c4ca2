import pytest

from inferfleet_runtime.admission import Work
from inferfleet_runtime.openai_api import ApiError, Limits, from_engine, parse

NAMES = frozenset({"team/m", "m", "team/m:chat", "m:chat"})
LIMITS = Limits(names=NAMES, context_tokens=100, default_output_tokens=40)
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def chat(**fields):
    return {"model": "m", "messages": [{"role": "user", "content": "x" * 40}], **fields}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_the_model_may_be_named_in_four_ways(name):
    assert parse(chat(model=name), CHAT, LIMITS)


@pytest.mark.parametrize("name", ["gpt-5", "other/m", "m:batch", "team/m:"])
def test_any_other_model_is_not_found(name):
    with pytest.raises(ApiError) as raised:
        parse(chat(model=name), CHAT, LIMITS)
    assert (raised.value.status, raised.value.code, raised.value.param) == (404, "model_not_found", "model")


def test_size_is_estimated_at_four_bytes_a_token():
    assert parse(chat(max_tokens=7), CHAT, LIMITS).work == Work(prompt=14, output=7)
    assert parse({"model": "m", "prompt": "y" * 40, "max_tokens": 7}, TEXT, LIMITS).work == Work(10, 7)
    assert parse({"model": "m", "prompt": [5, 6, 7], "max_tokens": 7}, TEXT, LIMITS).work == Work(3, 7)


def test_content_in_parts_counts_its_text():
    parts = [{"type": "text", "text": "z" * 20}, {"type": "text", "text": "z" * 20}]
    assert parse(chat(messages=[{"role": "user", "content": parts}]), CHAT, LIMITS).work.prompt == 16


def test_without_max_tokens_the_answer_may_fill_the_context_up_to_the_usual_length():
    assert parse(chat(), CHAT, LIMITS).body["max_tokens"] == 40
    long = chat(messages=[{"role": "user", "content": "x" * 320}])
    assert parse(long, CHAT, LIMITS).body["max_tokens"] == 100 - 84


def test_max_completion_tokens_is_the_newer_name():
    call = parse(chat(max_completion_tokens=9), CHAT, LIMITS)
    assert call.body["max_tokens"] == 9
    assert "max_completion_tokens" not in call.body


def test_more_than_the_context_is_refused_with_its_code():
    with pytest.raises(ApiError) as raised:
        parse(chat(max_tokens=100), CHAT, LIMITS)
    assert (raised.value.status, raised.value.code) == (400, "context_length_exceeded")
    assert "100" in raised.value.message


@pytest.mark.parametrize(
    ("endpoint", "body", "param"),
    [
        (CHAT, chat(max_tokens=0), "max_tokens"),
        (CHAT, chat(max_tokens="9"), "max_tokens"),
        (CHAT, chat(max_tokens=True), "max_tokens"),
        (CHAT, chat(n=2), "n"),
        (CHAT, chat(stream="yes"), "stream"),
        (CHAT, chat(stream_options={"include_usage": True}), "stream_options"),
        (CHAT, chat(messages=[]), "messages"),
        (CHAT, chat(messages="hi"), "messages"),
        (CHAT, {"messages": [{}]}, "model"),
        (TEXT, {"model": "m"}, "prompt"),
        (TEXT, {"model": "m", "prompt": ["a", "b"]}, "prompt"),
        (TEXT, {"model": "m", "prompt": []}, "prompt"),
        (CHAT, ["m"], None),
    ],
)
def test_a_malformed_request_names_its_parameter(endpoint, body, param):
    with pytest.raises(ApiError) as raised:
        parse(body, endpoint, LIMITS)
    assert (raised.value.status, raised.value.param) == (400, param)
    assert raised.value.body()["error"]["type"] == "invalid_request_error"


def test_usage_is_always_asked_of_the_engine_and_remembered_for_the_client():
    call = parse(chat(stream=True), CHAT, LIMITS)
    assert call.body["stream_options"] == {"include_usage": True}
    assert not call.include_usage
    assert parse(chat(stream=True, stream_options={"include_usage": True}), CHAT, LIMITS).include_usage


def test_parameters_that_get_around_admission_do_not_reach_the_engine():
    call = parse(chat(n_predict=-1, id_slot=0, temperature=0.5), CHAT, LIMITS)
    assert call.body.keys() == {"model", "messages", "temperature", "max_tokens"}


def test_the_engines_context_error_gets_openais_code():
    error = {"type": "exceed_context_size_error", "n_prompt_tokens": 500, "n_ctx": 256, "message": "..."}
    translated = from_engine(400, error, LIMITS)
    assert (translated.status, translated.code) == (400, "context_length_exceeded")
    assert "500 tokens" in translated.message


def test_other_engine_errors_keep_their_status_and_message():
    assert from_engine(400, {"message": "bad grammar"}, LIMITS).message == "bad grammar"
    assert from_engine(500, {}, LIMITS).type == "server_error"
