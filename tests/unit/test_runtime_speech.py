"""The service that writes down what is said, in front of a fake ear."""

import asyncio
import json
import random

import aiohttp
import pytest
from fakes.configs import runtime_config
from fakes.speech import LISTENER, SEGMENTS, FakeDecoder, FakeEar, speech_pod
from fakes.stepping import FAILURES, PROMPT
from waiting import until

from inferfleet_runtime.api.speech import MAX_FILE, Hearing, Listener, SpeechLimits, Transcript
from inferfleet_runtime.front.speech_serve import measure, speech_limits
from inferfleet_runtime.hosts.speech.messages import SPEECH, Said


async def test_what_was_said_is_answered_and_counted():
    async with speech_pod() as p:
        response = await p.say(b"10", language="en", prompt="Alice and Bob", temperature="0.5")
        assert await response.json() == {
            "text": "Hello there. Who --> is it?",
            "usage": {"type": "duration", "seconds": 10},
        }
        assert p.ear.asked[0].hearing == Hearing("en", "Alice and Bob", 0.5)
        assert len(p.ear.asked[0].sound) == 320_000
        assert p.value("inferfleet:audio_seconds_total") == 10
        assert p.value("vllm:generation_tokens_total") == 5
        assert p.value("vllm:prompt_tokens_total") == 500
        assert p.value("vllm:request_success_total", finished_reason="stop") == 1


async def test_seconds_of_the_engine_are_those_of_what_is_usually_said_in_the_sound():
    async with speech_pod() as p:
        p.ear.flowing.clear()
        asked = [asyncio.create_task(p.say(sound)) for sound in (b"30", b"60")]
        await p.until(running=1, waiting=1)
        # 100 tokens in half a minute, of which 50 a second were measured
        assert p.value("inferfleet:arrival_work_seconds_total") == pytest.approx(6)
        assert p.value("inferfleet:queued_work_seconds") in (pytest.approx(2), pytest.approx(4))
        p.ear.flowing.set()
        await asyncio.gather(*asked)
        assert p.value("vllm:request_inference_time_seconds_count") == 2


async def test_each_format_has_its_own_type():
    async with speech_pod() as p:
        for name, kind in [("text", "text/plain"), ("srt", "text/plain"), ("vtt", "text/vtt")]:
            assert (await p.say(response_format=name)).content_type == kind
        assert [said.hearing.timestamps for said in p.ear.asked] == [False, True, True]


async def test_requests_wait_for_each_other_and_a_full_queue_is_429():
    async with speech_pod(max_queued_tokens=2000) as p:
        p.ear.flowing.clear()
        asked = [asyncio.create_task(p.say(b"30")) for _ in range(2)]
        await p.until(running=1, waiting=1)
        refused = await p.say(b"30")
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "queue_full")
        # 100 tokens of text wait, and 50 a second were measured
        assert refused.headers["Retry-After"] == "2"
        p.ear.flowing.set()
        assert [(await response).status for response in asked] == [200, 200]


async def test_a_client_that_goes_stops_its_transcription():
    async with speech_pod() as p:
        p.ear.flowing.clear()
        asked = asyncio.create_task(p.say())
        await p.until(running=1)
        asked.cancel()
        await p.until(running=0)
        assert not p.ear.busy
        assert p.speech.service.open_requests() == 0


@pytest.mark.parametrize(("error", "status", "code"), FAILURES)
async def test_what_goes_wrong_is_told_in_openais_shape(caplog, error, status, code):
    async with speech_pod(ear=FakeEar(error)) as p:
        response = await p.say(prompt=PROMPT)
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)
    assert PROMPT not in caplog.text


async def test_a_deadline_that_passes_is_504():
    async with speech_pod() as p:
        p.ear.flowing.clear()
        response = await p.say(headers={"X-Inferfleet-Timeout": "0.05"})
        assert (response.status, (await response.json())["error"]["code"]) == (504, "deadline_exceeded")
        assert not p.ear.busy


async def test_a_deadline_passes_while_a_file_is_decoded_too():
    decoder = FakeDecoder()
    async with speech_pod(decoder=decoder) as p:
        response = await p.say(headers={"X-Inferfleet-Timeout": "0.05"})
        assert (response.status, (await response.json())["error"]["code"]) == (504, "deadline_exceeded")
        assert not decoder.busy


async def test_files_are_decoded_one_at_a_time_the_higher_priority_first():
    decoder = FakeDecoder()
    async with speech_pod(decoder=decoder, requests={"trustedHeaders": True}) as p:
        asked = []
        for seconds, priority in [(b"1", "0"), (b"2", "0"), (b"3", "5")]:
            asked.append(asyncio.create_task(p.say(seconds, headers={"X-Inferfleet-Priority": priority})))
            await until(lambda: len(decoder.begun) + p.speech._decoding.admission.waiting == len(asked))
        decoder.working.set()
        assert [(await response).status for response in asked] == [200, 200, 200]
    assert decoder.begun == [1, 3, 2]


async def test_a_client_that_goes_ends_its_decoding_and_the_next_begins():
    decoder = FakeDecoder()
    async with speech_pod(decoder=decoder) as p:
        first = asyncio.create_task(p.say(b"1"))
        await until(lambda: decoder.begun == [1])
        second = asyncio.create_task(p.say(b"2"))
        await until(lambda: p.speech._decoding.admission.waiting == 1)
        first.cancel()
        await until(lambda: decoder.begun == [1, 2])
        decoder.working.set()
        assert (await second).status == 200


async def test_nothing_is_decoded_for_a_queue_that_is_full():
    decoder = FakeDecoder()
    decoder.working.set()
    async with speech_pod(max_queued_tokens=1600, decoder=decoder) as p:
        p.ear.flowing.clear()
        asked = [asyncio.create_task(p.say(b"30")) for _ in range(2)]
        await p.until(running=1, waiting=1)
        refused = await p.say(b"7")
        assert (refused.status, (await refused.json())["error"]["code"]) == (429, "queue_full")
        assert p.value("inferfleet:rejected_requests_total") == 1
        assert p.value("inferfleet:arrival_requests_total") == 3
        p.ear.flowing.set()
        assert [(await response).status for response in asked] == [200, 200]
    assert decoder.begun == [30, 30]


async def test_sound_that_cannot_be_heard_or_is_too_long_is_refused():
    async with speech_pod() as p:
        for content, words in [(b"noise", "cannot be decoded"), (b"1501", "longer than 1500 s")]:
            error = (await (await p.say(content)).json())["error"]
            assert (error["param"], error["code"]) == ("file", "invalid_value")
            assert words in error["message"]
        assert p.ear.asked == []


@pytest.mark.parametrize("size", [MAX_FILE + 1, 40 * 2**20])
async def test_a_file_over_the_bound_is_413_with_what_to_do(size):
    async with speech_pod() as p:
        response = await p.say(bytes(size))
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (413, "file_too_large")
        assert "25 MiB" in error["message"]


async def test_a_form_without_a_file_and_a_body_that_is_no_form_are_refused():
    async with speech_pod() as p:
        response = await p.say(content=None)
        assert (response.status, (await response.json())["error"]["param"]) == (400, "file")
        response = await p.say(content=None, file="not a file")
        assert (response.status, (await response.json())["error"]["param"]) == (400, "file")
        response = await p.client.post("/v1/audio/transcriptions", json={"model": "m"})
        assert "multipart/form-data" in (await response.json())["error"]["message"]


@pytest.mark.parametrize(
    "part",
    [
        b'name="user"\r\nContent-Type: text/plain; charset=foo',
        b'name="user"\r\nContent-Transfer-Encoding: foo',
        b'name="us\x00er"',
    ],
    ids=["unknown charset", "unknown encoding", "NUL in a header"],
)
async def test_a_form_that_is_malformed_is_400(part):
    body = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n\r\nx\r\n--b--\r\n"
    async with speech_pod() as p:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        response = await p.client.post("/v1/audio/transcriptions", data=body, headers=headers)
        assert response.status == 400
        assert "the body is no form" in (await response.json())["error"]["message"]


async def test_a_form_of_thousands_of_fields_is_400_and_not_too_large():
    async with speech_pod() as p:
        response = await p.say(content=None, **{f"x{n}": "" for n in range(3000)})
        assert (response.status, (await response.json())["error"]["message"]) == (400, "the form has too many fields")


async def test_two_sounds_and_a_file_in_the_place_of_a_text_are_refused():
    async with speech_pod() as p:
        for name, words in [("file", "two files"), ("language", "must be a text, not a file")]:
            form = aiohttp.FormData(default_to_multipart=True)
            for field in ("file", name):
                form.add_field(field, b"10", filename="en")
            response = await p.client.post("/v1/audio/transcriptions", data=form)
            error = (await response.json())["error"]
            assert (response.status, error["param"]) == (400, name)
            assert words in error["message"]


async def test_what_other_models_and_no_engine_do_is_404():
    async with speech_pod() as p:
        response = await p.client.post("/v1/chat/completions", json={})
        assert "team/m is Audio" in (await response.json())["error"]["message"]
        response = await p.client.post("/v1/audio/translations", data={"model": "m"})
        assert (response.status, (await response.json())["error"]["code"]) == (404, "unsupported_endpoint")


async def test_work_is_what_the_sound_takes_and_what_is_usually_said_in_it():
    limit = SpeechLimits(frozenset(), LISTENER, usual_seconds=30.0, usual_tokens=100)
    work = limit.work(45.0)
    assert (work.prompt, work.output) == (2250, 150)
    assert limit.longest_seconds == 1500.0
    assert SpeechLimits(frozenset(), LISTENER, 600.0, 1).longest_seconds == 2400.0


async def test_the_capacity_is_what_is_generated_in_the_usual_sound():
    times = iter([10.0, 12.0])
    ear = FakeEar()
    limit = SpeechLimits(frozenset(), LISTENER, usual_seconds=60.0, usual_tokens=100)
    measured = await measure(ear, limit, 100, lambda: next(times), random.Random(1))
    assert ear.asked[0].hearing.exact_tokens == 50  # of each of two windows
    assert len(ear.asked[0].sound) == 60 * 32_000
    assert measured == 25.0  # the fake has but one window


def test_what_the_class_leaves_open_is_one_window():
    values = {"engine": "transformers", "contextTokens": 2000, "benchmark": {"promptTokens": 1, "outputTokens": 7}}
    limit = speech_limits(runtime_config(**values), LISTENER)
    assert (limit.usual_seconds, limit.usual_tokens) == (30.0, 7)
    asked = runtime_config(**values, media={"seconds": 12.5})
    assert speech_limits(asked, LISTENER).usual_seconds == 12.5


def test_messages_survive_the_way():
    def sent(values):
        return json.loads(json.dumps(values))

    listener = Listener({"en": "english"}, chooses=False, window_seconds=30.0, positions=1500)
    assert SPEECH.read_facts(sent(SPEECH.write_facts(listener))) == listener
    said = Said(Hearing("de", "ö\n", 0.5, timestamps=True), b"sound\n")
    body, content = SPEECH.write_asked(said)
    assert SPEECH.read_asked(sent(body), content) == said
    transcript = Transcript("de", SEGMENTS)
    body, content = SPEECH.write_made(transcript)
    assert SPEECH.read_made(sent(body), content) == transcript
