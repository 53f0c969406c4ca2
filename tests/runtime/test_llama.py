"""llama.cpp itself, without a front: what slots share, adapters, speculation, KV cache and context."""

import asyncio
import json
import random
import shutil
import time
from contextlib import asynccontextmanager

import numpy as np
import pytest
from fakes.configs import runtime_config
from fakes.lora import make_adapter
from waiting import until

from e2e.models import tiny
from inferfleet_runtime.contract import Metric
from inferfleet_runtime.hosts.llama.host import running_llama

IDS = 2000
"""Of the tiny model's tokens, those that are text."""
SHARED = [random.Random(7).randrange(IDS) for _ in range(256)]
SOURCE = {"uri": "file:///unused.gguf"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The tiny model, two drafts and an adapter, as `fetch` leaves them."""
    folder = tmp_path_factory.mktemp("weights")
    tiny.make(folder / "model.gguf")
    shutil.copy(folder / "model.gguf", folder / "same.gguf")
    tiny.make(folder / "other.gguf", seed=2)
    (folder / "adapters").mkdir()
    make_adapter(folder / "adapters/odd.gguf")
    return folder


@asynccontextmanager
async def engine(files, **changes):
    config = runtime_config(**{"slots": 4, "contextTokens": 512} | changes)
    async with running_llama(config, files / "model.gguf", time.monotonic) as llama:
        await llama.load()
        yield llama


async def ask(llama, prompt, salt="", tokens=16, **fields):
    """The engine's whole answer."""
    path = "/v1/completions" if isinstance(prompt, str) or isinstance(prompt[0], int) else "/v1/chat/completions"
    said = {"prompt" if path == "/v1/completions" else "messages": prompt}
    body = said | {"max_tokens": tokens, "temperature": 0, "ignore_eos": True} | fields
    async with llama.post(path, body, salt) as reply:
        answer = json.loads(await reply.read())
        assert reply.status == 200, answer
        return answer


def text(answer):
    return answer["choices"][0].get("text") or answer["choices"][0]["message"]["content"]


def begins(answer):
    """What must be the same however the engine batches: sums in another order change later tokens of a random model."""
    return text(answer)[:30]


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def drafted(answer):
    return answer["timings"].get("draft_n", 0)


def questions(count, seed=1):
    """Prompts of the shared beginning and something of their own."""
    rng = random.Random(seed)
    return [SHARED + [rng.randrange(IDS) for _ in range(32)] for _ in range(count)]


async def test_a_beginning_seen_before_is_read_by_no_request_again(files):
    async with engine(files) as llama, engine(files, prefixCache="Off") as plain:
        await ask(llama, questions(1, seed=2)[0])
        answers = await asyncio.gather(*(ask(llama, prompt) for prompt in questions(4)))
        assert [cached(answer) for answer in answers] == [256] * 4
        naive = [await ask(plain, prompt) for prompt in questions(4)]
        assert list(map(begins, answers)) == list(map(begins, naive))
        assert {cached(answer) for answer in naive} == {0}


async def test_a_burst_from_nothing_reads_the_beginning_twice_and_not_four_times(files):
    async with engine(files) as llama:
        answers = await asyncio.gather(*(ask(llama, prompt) for prompt in questions(4)))
        assert sorted(cached(answer) for answer in answers)[1:] == [256] * 3
        assert llama._slots.counts.restored == 2


async def test_more_beginnings_than_slots_are_all_kept(files):
    starts = [[seed * 7 % IDS] * 128 for seed in range(1, 7)]
    async with engine(files, slots=2) as llama:
        for start in starts:
            await ask(llama, [*start, 1])
            await ask(llama, [*start, 2])
        assert [cached(await ask(llama, [*start, 3])) for start in starts] == [128] * 6


async def test_chats_share_their_system_message(files):
    system = {"role": "system", "content": "Answer as the ship's cook would, in two short sentences. " * 12}

    def chat(words):
        return [system, {"role": "user", "content": words}]

    async with engine(files) as llama, engine(files, prefixCache="Off") as plain:
        await ask(llama, chat("Where is the salt?"))
        many = [chat(f"Tell me of number {n} of the crew.") for n in range(4)]
        answers = await asyncio.gather(*(ask(llama, messages) for messages in many))
        for messages, answer in zip(many, answers, strict=True):
            assert cached(answer) > 0.8 * answer["usage"]["prompt_tokens"] > 100
            assert begins(answer) == begins(await ask(plain, messages))


async def test_a_conversation_goes_on_in_its_slot_while_others_come_and_go(files):
    async with engine(files, slots=2) as llama:
        said = "It was a dark and stormy night, and the harbour lay still. " * 4
        before = 0
        for turn in range(4):
            answer = await ask(llama, said)
            assert cached(answer) >= 0.9 * before
            before = answer["usage"]["prompt_tokens"]
            said += text(answer) + f" Then, on day {turn}, it was said: "
            await ask(llama, f"Something else entirely, number {turn}. " * 4)
        assert llama._slots.counts.saved == 0


async def test_nothing_that_one_tenant_sent_is_reused_for_another(files):
    async with engine(files) as llama:
        for prompt in questions(3):
            await ask(llama, prompt, "a")
        assert cached(await ask(llama, questions(1)[0], "a")) > 250
        # as many strangers as slots, and more: each finds what others left, and must not
        strangers = [cached(await ask(llama, questions(1)[0], salt)) for salt in "bcdefg"]
        assert strangers == [0] * 6
        assert cached(await ask(llama, questions(1, seed=5)[0], "a")) == 256


async def test_one_slot_that_tenants_share_in_turns_shares_nothing_else(files):
    prompt = "A secret that the other tenant may try to guess, word by word."
    async with engine(files, slots=1) as llama:
        assert cached(await ask(llama, prompt, "a")) == 0
        assert cached(await ask(llama, prompt, "b")) == 0
        assert cached(await ask(llama, prompt, "b")) > 0
        assert cached(await ask(llama, prompt, "a")) == 0


async def test_an_adapter_changes_what_is_said_and_nothing_else(files):
    async with engine(files, slots=1, adapters=[{"name": "odd", "source": SOURCE}]) as llama, engine(files) as plain:
        prompt = "Once upon a time there was a lighthouse, and in it lived"
        expected = text(await ask(plain, prompt))
        said = [text(await ask(llama, prompt, lora=lora)) for lora in ([], [{"id": 0, "scale": 1.0}], [])]
        assert said[0] == said[2] == expected
        assert said[1] != expected
        unasked = text(await ask(llama, prompt))
        assert unasked == expected


async def test_requests_with_and_without_an_adapter_run_at_once(files):
    async with engine(files, adapters=[{"name": "odd", "source": SOURCE}]) as llama:
        odd = [{"id": 0, "scale": 1.0}]
        alone = text(await ask(llama, questions(1)[0])), text(await ask(llama, questions(1)[0], lora=odd))
        wanted = [None, odd, None, odd]
        answers = await asyncio.gather(*(ask(llama, questions(1)[0], lora=lora) for lora in wanted))
        assert [text(answer) for answer in answers] == [*alone, *alone]
        assert alone[0] != alone[1]


def use_draft(files, name):
    shutil.copy(files / f"{name}.gguf", files / "draft.gguf")
    return {"method": "Draft", "tokens": 3, "source": SOURCE}


async def test_a_draft_model_changes_nothing_but_the_steps(files):
    async with engine(files, speculation=use_draft(files, "same")) as llama, engine(files) as plain:
        answer = await ask(llama, "Once", tokens=60)
        assert begins(answer) == begins(await ask(plain, "Once"))
        assert drafted(answer) == answer["timings"]["draft_n_accepted"] > 30
        await until(lambda: llama.counters()[Metric.ACCEPTED_TOKENS] == drafted(answer))
        assert llama.counters()[Metric.DRAFT_TOKENS] == drafted(answer)


async def test_a_draft_that_is_always_right_stays_on_and_grows_longer(files):
    asked = use_draft(files, "same") | {"tokens": 8}
    async with engine(files, speculation=asked) as llama:
        # as long as its cost is not measured: it is as large as the model, and costs more than it gives
        answer = await ask(llama, "Once", tokens=100)
        assert drafted(answer) == answer["timings"]["draft_n_accepted"]
        # sixteen drafts of four tokens and one of each step's own, then five
        assert drafted(answer) >= 76
        assert llama._drafting


async def test_a_draft_that_is_right_and_as_slow_as_the_model_is_switched_off(files):
    async with engine(files, speculation=use_draft(files, "same") | {"tokens": 4}) as llama:
        async with asyncio.timeout(60):
            while drafted(answer := await ask(llama, "Once", tokens=200)):
                assert drafted(answer) == answer["timings"]["draft_n_accepted"]
        await until(lambda: not llama._drafting)


async def test_a_draft_that_guesses_wrong_is_off_after_thirty_two_tokens_of_the_first_request(files):
    async with engine(files, speculation=use_draft(files, "other") | {"tokens": 4}) as llama, engine(files) as plain:
        answer = await ask(llama, "Once", tokens=100)
        assert drafted(answer) == 32
        assert begins(answer) == begins(await ask(plain, "Once"))
        await until(lambda: not llama._drafting)
        assert drafted(await ask(llama, "Once", tokens=40)) == 0
        before = llama.counters()[Metric.SPECULATION_SECONDS]
        await until(lambda: llama.counters()[Metric.DRAFT_TOKENS] == 32)
        assert llama.counters()[Metric.SPECULATION_SECONDS] == before > 0


async def test_short_requests_and_simultaneous_ones_are_judged_together(files):
    async with engine(files, speculation=use_draft(files, "other") | {"tokens": 4}) as llama:
        short = [await ask(llama, words, tokens=8) for words in ("Once", "Then", "Now")]
        assert 0 < sum(map(drafted, short)) < 32
        answers = await asyncio.gather(*(ask(llama, words, tokens=60) for words in ("Once", "Then", "Now")))
        # eight drafts: shorter ones at the end of a request, and up to three in the last step
        assert 20 <= sum(map(drafted, [*short, *answers])) <= 40


async def test_nothing_is_drafted_in_a_crowd_and_what_begins_after_it_is_drafted_again(files):
    async with engine(files, speculation=use_draft(files, "same"), slots=12, contextTokens=4096) as llama:
        alone = begins(await ask(llama, "Once"))
        answers = await asyncio.gather(*(ask(llama, f"Once {n}", tokens=200) for n in range(12)))
        # of 200 tokens three in four are of a draft, except while more than eight requests run
        assert all(drafted(answer) < 75 for answer in answers)
        await until(lambda: not llama._drafting)
        async with asyncio.timeout(60):
            while not drafted(answer := await ask(llama, "Once")):
                await asyncio.sleep(0.2)
        assert begins(answer) == alone


async def test_beginnings_are_shared_while_a_draft_that_guesses_wrong_is_off(files):
    async with engine(files, speculation=use_draft(files, "other"), slots=2) as llama, engine(files) as plain:
        await ask(llama, "Once", tokens=60)
        await until(lambda: not llama._drafting)
        for prompt in [questions(1, seed=2)[0], questions(1, seed=3)[0], "short", "shorter", "the shortest"]:
            await ask(llama, prompt)
        answers = await asyncio.gather(*(ask(llama, prompt) for prompt in questions(2)))
        assert [cached(answer) for answer in answers] == [256] * 2
        assert list(map(begins, answers)) == [begins(await ask(plain, prompt)) for prompt in questions(2)]


async def test_a_slot_that_was_restored_beside_a_draft_model_is_answered_without_it(files):
    async with engine(files, speculation=use_draft(files, "same"), slots=2) as llama:
        llama._slots.restores = lambda: True
        for prompt in [questions(1, seed=2)[0], questions(1, seed=3)[0], "short", "shorter", "the shortest"]:
            await ask(llama, prompt)
        restored = await ask(llama, questions(1)[0])
        assert (cached(restored), drafted(restored)) == (256, 0)
        assert drafted(await ask(llama, "Once upon a time there was a lighthouse")) > 0


async def test_an_engine_that_drafts_ends_in_order(files):
    async with engine(files, speculation=use_draft(files, "same"), contextTokens=16384) as llama:
        running = asyncio.create_task(ask(llama, "Once", tokens=15000))
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert llama._server._process.returncode == 0


async def test_n_grams_propose_what_was_said_before(files):
    async with engine(files, speculation={"method": "NGram", "tokens": 3}) as llama, engine(files) as plain:
        said = "one two three four five six seven eight nine ten. " * 6
        answer = await ask(llama, said, tokens=100)
        assert begins(answer) == begins(await ask(plain, said))
        assert drafted(answer) > 0


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_0", "BF16"])
async def test_a_smaller_kv_cache_serves_and_fans_out(files, dtype):
    async with engine(files, kvCache={"dtype": dtype}) as llama:
        await ask(llama, questions(1, seed=2)[0])
        answers = await asyncio.gather(*(ask(llama, prompt) for prompt in questions(4)))
        assert [cached(answer) for answer in answers] == [256] * 4


async def test_a_context_that_slides_goes_on_beyond_its_end(files):
    async with engine(files, slots=1, kvCache={"overflow": "SlideWithSinks"}) as llama:
        answer = await ask(llama, "Once", tokens=1500)
        assert answer["usage"]["completion_tokens"] == 1500
        assert begins(await ask(llama, "Once")) == begins(answer)


@pytest.mark.parametrize("overflow", ["Refuse", "SlideWithSinks"])
async def test_a_prompt_longer_than_the_context_is_refused_either_way(files, overflow):
    body = {"prompt": [1] * 513, "max_tokens": 1}
    async with (
        engine(files, kvCache={"overflow": overflow}) as llama,
        llama.post("/v1/completions", body) as reply,
    ):
        error = json.loads(await reply.read())["error"]
        assert (reply.status, error["type"], error["n_ctx"]) == (400, "exceed_context_size_error", 512)


async def test_an_embedding_model_answers_with_one_vector_a_text(files):
    async with engine(files, modality="Embedding") as llama:
        body = {"input": ["a ship", "a harbour"]}
        async with llama.post("/v1/embeddings", body) as reply:
            answer = json.loads(await reply.read())
        vectors = np.array([item["embedding"] for item in answer["data"]])
        assert vectors.shape == (2, 128)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1.0, 1.0], abs=1e-3)


async def test_tokens_from_the_cache_are_counted_once_and_without_our_own(files):
    async with engine(files) as llama:
        answers = [await ask(llama, prompt) for prompt in questions(3)]
        prompts = sum(answer["usage"]["prompt_tokens"] for answer in answers)
        await until(lambda: llama.counters()[Metric.PREFIX_CACHE_QUERIES] == prompts)
        assert llama.counters()[Metric.PREFIX_CACHE_HITS] == sum(map(cached, answers)) > 256
