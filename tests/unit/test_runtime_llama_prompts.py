import string

from hypothesis import given
from hypothesis import strategies as st

from inferfleet_runtime.hosts.llama.prompts import BLOCK, beginning, read, shared

TEXT, CHAT = "/v1/completions", "/v1/chat/completions"
SYSTEM = {"role": "system", "content": "You answer in verse. " * 40}


def text(prompt, salt="", **fields):
    return read(TEXT, {"prompt": prompt, **fields}, salt)


def chat(*said, salt="", **fields):
    messages = [SYSTEM, *({"role": "user", "content": words} for words in said)]
    return read(CHAT, {"messages": messages, **fields}, salt)


def test_two_texts_share_what_they_begin_with():
    same = "x" * 1000
    assert shared(text(same + "apple"), text(same + "apricot")) == 1002


@given(st.text(string.printable, max_size=600), st.text(max_size=300), st.text(max_size=300))
def test_what_is_shared_is_the_common_beginning_of_any_texts(start, one, other):
    a, b = text("." + start + one), text("." + start + other)
    least = len(("." + start).encode())
    assert least <= shared(a, b) <= min(len(a.data), len(b.data))
    assert a.data[: shared(a, b)] == b.data[: shared(a, b)]


def test_token_ids_are_compared_as_such():
    ids = list(range(300))
    assert shared(text([*ids, 1]), text([*ids, 2])) // 4 == 300
    assert shared(text(ids), text("".join(map(chr, ids)))) == 0


def test_nothing_is_shared_between_salts_adapters_or_tools():
    plain = text("x" * 1000)
    assert shared(plain, text("x" * 1000, salt="tenant")) == 0
    assert shared(plain, text("x" * 1000, lora=[{"id": 0, "scale": 1.0}])) == 0
    assert shared(chat("hi"), chat("hi", tools=[{"type": "function"}])) == 0


def test_sampling_does_not_matter():
    assert shared(text("x" * 1000, temperature=1), text("x" * 1000, max_tokens=3)) == 1000


def test_chats_share_their_system_message():
    assert shared(chat("What is a fish?"), chat("What is a bird?")) > len(SYSTEM["content"])


def test_requests_that_want_nothing_reused_have_no_prompt():
    assert text("x", cache_prompt=False) is None


def test_bodies_that_the_engine_will_refuse_are_passed_by():
    for body in ({}, {"prompt": None}, {"prompt": ["a", "b"]}, {"prompt": [-1]}, {"prompt": [True]}, {"prompt": {}}):
        assert read(TEXT, body, "") is None
    assert read(CHAT, {"messages": "hi"}, "") is None
    assert read(CHAT, {"messages": [1, None, {"role": "user", "content": [{"type": "text"}]}]}, "") is not None
    assert read("/v1/embeddings", {"input": "x"}, "") is None


def test_the_beginning_of_a_text_is_cut_at_its_block():
    assert beginning(text("ab" * BLOCK, seed=1), 1) == {"prompt": "ab" * 64, "n_predict": 0, "cache_prompt": True}


def test_the_beginning_of_a_text_never_ends_in_half_a_character():
    cut = beginning(text("a" + "\u20ac" * 100), 1)["prompt"]
    assert cut == "a" + "\u20ac" * 42


def test_the_beginning_of_token_ids_is_token_ids():
    assert beginning(text(list(range(100))), 2)["prompt"] == list(range(64))


def test_the_beginning_of_a_chat_is_its_first_messages_the_last_cut():
    asked = chat("What is a fish? " * 100, tools=[{"type": "function"}])
    whole = shared(asked, chat("Why?", tools=[{"type": "function"}])) // BLOCK
    first = beginning(asked, whole)
    assert [m["role"] for m in first["messages"]] == ["system"]
    assert SYSTEM["content"].startswith(first["messages"][0]["content"])
    assert first["tools"] == [{"type": "function"}]
    more = beginning(asked, whole + 2)["messages"]
    assert more[0] == SYSTEM
    assert asked.body["messages"][1]["content"].startswith(more[1]["content"])


def test_a_chat_cannot_be_cut_within_a_message_that_is_no_text():
    parts = [{"type": "text", "text": "x" * 1000}]
    assert beginning(read(CHAT, {"messages": [{"role": "user", "content": parts}]}, ""), 2) is None


def test_no_text_of_a_client_is_in_what_a_log_would_show():
    assert "verse" not in repr(chat("secret"))
