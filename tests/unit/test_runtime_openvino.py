import json
import re
from pathlib import Path

import pytest
from fakes.configs import runtime_config

from inferfleet_runtime.api.sse import Splitter, read
from inferfleet_runtime.engines.openvino_genai import engine_settings, memory_bytes, proposals
from inferfleet_runtime.hosts.openvino.answers import Answer, Piece
from inferfleet_runtime.hosts.openvino.jobs import CHAT, COMPLETIONS, RefusedError, job, keywords
from inferfleet_runtime.hosts.openvino.text import Text, longest_beginning

HELLO = [{"role": "user", "content": "hello"}]


def config(**changes):
    plain = {"servedModelName": "team/tiny", "engine": "openvino-genai", "slots": 4, "threads": 2}
    return runtime_config(**plain | changes)


def settings(**changes):
    return engine_settings(config(**changes), Path("m.gguf"), Path("draft.gguf"))


def test_the_kv_cache_holds_whole_blocks_for_every_slot():
    assert settings().blocks == 4 * 32  # 1000 tokens are 31.25 blocks of 32


def test_proposed_tokens_have_a_block_of_their_own_in_each_slot():
    assert settings(speculation={"method": "NGram"}).blocks == 4 * 33


def test_a_step_holds_a_token_of_every_slot():
    assert settings(slots=600, prefillChunkTokens=512).batch_tokens == 600


@pytest.mark.parametrize(
    ("changes", "cached"),
    [
        ({}, True),
        ({"prefixCache": "Off"}, False),
        ({"requests": {"trustedHeaders": True}}, False),
        ({"requests": {"priority": 3}}, True),
        ({"speculation": {"method": "NGram"}}, True),
        ({"speculation": {"method": "Draft", "source": {"uri": "file:///d.gguf"}}}, False),
    ],
)
def test_prefixes_are_cached_where_no_tenant_and_no_draft_model_forbids_it(changes, cached):
    assert settings(**changes).prefix_cache is cached


@pytest.mark.parametrize(("dtype", "precision"), [(None, "f16"), ("F16", "f16"), ("BF16", "bf16"), ("Q8_0", "u8")])
def test_the_kv_cache_has_the_precision_asked_for(dtype, precision):
    assert settings(kvCache={"dtype": dtype}).kv_precision == precision


def test_memory_counts_three_copies_of_the_weights_and_the_cache_of_all_slots():
    need = memory_bytes(config(), file_bytes=2**30, kv_elements_per_token=1000)
    assert need == int(2**30 * 3.05) + 4 * 1024 * 1000 * 2 + 200 * 2**20


@pytest.mark.parametrize(
    ("drafted", "accepted", "running", "proposed"),
    [(0, 0, 0, 4), (63, 0, 0, 4), (64, 31, 0, 1), (64, 32, 0, 4), (1000, 900, 7, 4), (1000, 900, 8, 1)],
)
def test_a_draft_model_proposes_little_where_little_is_accepted_or_many_run(drafted, accepted, running, proposed):
    assert proposals(4, drafted, accepted, running) == proposed


def fed(stops, *pieces):
    text = Text(stops)
    return [text.feed(piece) for piece in pieces], text


def test_half_a_character_is_held_back_until_the_other_half_comes():
    shown, text = fed([], b"\xf0\x9f", b"\x98", b"\x80!")
    assert shown == ["", "", "\U0001f600!"]
    assert text.end() == ""


def test_half_a_character_at_the_end_becomes_the_replacement_character():
    _, text = fed([], b"ok\xc3")
    assert text.end() == "\ufffd"


def test_a_stop_string_over_several_tokens_is_cut_off_whole():
    shown, text = fed(["END"], b"one E", b"N", b"D two")
    assert shown == ["one ", "", ""]
    assert text.stopped
    assert text.end() == ""
    assert text.feed(b"more") == ""


def test_what_only_began_like_a_stop_string_is_shown_later():
    shown, text = fed(["END"], b"one E", b"NOUGH", b" EN")
    assert shown == ["one ", "ENOUGH", " "]
    assert text.end() == "EN"


def test_the_earliest_of_several_stop_strings_wins():
    shown, _ = fed(["yy", "x"], b"ab x cd yy")
    assert shown == ["ab "]


@pytest.mark.parametrize(
    ("text", "stops", "held"), [("aab", ["abc"], 2), ("abc", ["abcabd"], 3), ("a", ["b"], 0), ("", ["b"], 0)]
)
def test_as_much_is_held_as_may_begin_a_stop_string(text, stops, held):
    assert longest_beginning(text, stops) == held


def test_without_a_word_of_sampling_llama_cpps_defaults_hold():
    sampling = job(COMPLETIONS, {"prompt": "a", "max_tokens": 3}).sampling
    assert sampling == {
        "do_sample": True, "temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "ignore_eos": False
    }  # fmt: skip


@pytest.mark.parametrize("choice", [{"temperature": 0}, {"top_p": 0}, {"top_k": 1}])
def test_where_one_token_can_be_chosen_the_engine_is_told_to_be_greedy(choice):
    assert job(COMPLETIONS, {"prompt": "a", "max_tokens": 3, **choice}).sampling == {"ignore_eos": False}


def test_penalties_go_by_the_engines_names():
    asked = {"temperature": 0, "repeat_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": -0.5}
    assert job(COMPLETIONS, {"prompt": "a", "max_tokens": 3, **asked}).sampling == {
        "ignore_eos": False,
        "repetition_penalty": 1.2,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
    }


def test_parts_of_a_message_are_joined_and_a_missing_content_is_empty():
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    found = job(CHAT, {"messages": [{"role": "user", "content": parts}, {"role": "assistant"}], "max_tokens": 3})
    assert [message["content"] for message in found.messages] == ["one\ntwo", ""]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (COMPLETIONS, {"prompt": ""}, "`prompt` must be"),
        (COMPLETIONS, {"prompt": "a", "max_tokens": 0}, "`max_tokens` must be"),
        (COMPLETIONS, {"prompt": "a", "logit_bias": {"3": 1}}, "no bias on tokens"),
        (COMPLETIONS, {"prompt": "a", "logprobs": 2}, "`logprobs`: .* chosen token's alone"),
        (COMPLETIONS, {"prompt": "a", "lora": [{"id": 0, "scale": 1.0}]}, "no LoRA adapters"),
        (COMPLETIONS, {"prompt": "a", "stop": [3]}, "`stop` must be"),
        (COMPLETIONS, {"prompt": "a", "temperature": "hot"}, "must be numbers"),
        (CHAT, {"messages": []}, "`messages` must be"),
        (CHAT, {"messages": [{"content": "a"}]}, r"`messages\[0\].role`"),
        (CHAT, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "no text: this model reads text"),
        (CHAT, {"messages": HELLO, "logprobs": True, "top_logprobs": 2}, "`top_logprobs`"),
        (CHAT, {"messages": HELLO, "tools": [{"type": "function"}]}, "set `tool_choice`"),
        (CHAT, {"messages": HELLO, "response_format": {"type": "xml"}}, "`response_format.type`"),
        (CHAT, {"messages": HELLO, "json_schema": {"items": {"not": {}}}}, "cannot enforce `not`"),
    ],
)
def test_what_the_engine_cannot_do_is_refused_by_name(path, body, said):
    with pytest.raises(RefusedError) as refused:
        job(path, {"max_tokens": 3, **body})
    assert re.search(said, refused.value.message)
    assert refused.value.error()["code"] == 400


def test_names_of_properties_and_example_values_are_no_keywords():
    schema = {"type": "object", "properties": {"not": {"enum": [{"if": 1}]}}, "$defs": {"then": {"type": "string"}}}
    assert set(keywords(schema)) == {"type", "properties", "$defs", "enum"}


def test_json_object_asks_for_any_object_and_json_schema_for_the_given_one():
    given = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer"}}}
    body = {"messages": HELLO, "max_tokens": 3}
    assert job(CHAT, body | {"response_format": {"type": "json_object"}}).schema == '{"type": "object"}'
    assert job(CHAT, body | {"response_format": given}).schema == '{"type": "integer"}'
    assert job(CHAT, body | {"json_schema": {"type": "null"}}).schema == '{"type": "null"}'
    assert job(CHAT, body | {"response_format": {"type": "text"}}).schema == ""


def answer(path=CHAT, **changes):
    return Answer(path=path, model="team/tiny", created=1, name="chatcmpl-1", prompt_tokens=7, **changes)


def seen(stream):
    return [read(event) for event in Splitter().feed(stream)]


def test_the_front_reads_a_stream_as_it_reads_llama_cpps():
    made = answer()
    stream = made.opening() + made.events(Piece(" one", 1), True) + made.events(Piece("", 2), True)
    stream += made.events(Piece(" two", 1, "stop", prompt_ms=5.0, predicted_ms=3.0), True)
    events = seen(stream)
    assert [event.token for event in events] == [False, True, True, False, False, False]
    assert [event.finish_reason for event in events if event.finish_reason] == ["stop"]
    (usage,) = [event.usage for event in events if event.usage]
    assert (usage.prompt, usage.completion) == (7, 4)


def test_text_that_is_held_back_makes_no_event():
    assert answer().events(Piece("", 1), True) == b""


def test_a_completion_has_its_usage_in_the_last_event():
    made = answer(COMPLETIONS)
    assert made.opening() == b""
    *_, last, done = seen(made.events(Piece("x", 1, "length"), include_usage=True))
    assert last.usage
    assert last.finish_reason == "length"
    assert not done.token


def test_a_whole_answer_holds_the_text_and_the_times():
    made, last = answer(COMPLETIONS), Piece(" two", 1, "stop", prompt_ms=5.0, predicted_ms=3.0)
    for piece in (Piece("one", 1), last):
        made.take(piece)
    body = json.loads(made.whole(last))
    assert body["choices"] == [{"finish_reason": "stop", "index": 0, "text": "one two"}]
    assert body["usage"] == {"completion_tokens": 2, "prompt_tokens": 7, "total_tokens": 9}
    assert body["timings"]["predicted_ms"] == 3.0


def test_log_probabilities_stand_where_llama_cpp_puts_them():
    made, chosen = answer(logprobs=True), {"id": 3, "token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
    last = Piece("a", 1, "length", [chosen])
    event = json.loads(made.events(last, False).split(b"\n\n")[0][6:])
    assert event["choices"][0]["logprobs"] == {"content": [chosen]}
    made.take(last)
    assert json.loads(made.whole(last))["choices"][0]["logprobs"] == {"content": [chosen]}
