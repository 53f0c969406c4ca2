"""OpenAI's form for transcriptions, and its answers."""

import json

import pytest
from fakes.speech import LISTENER, SEGMENTS

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.speech import Hearing, Segment, SpeechLimits, Transcript
from inferfleet_runtime.api.subtitles import srt, vtt
from inferfleet_runtime.api.transcriptions import TranscriptionCall, parse_transcription, transcription_answer

LIMIT = SpeechLimits(frozenset({"m"}), LISTENER, usual_seconds=30.0, usual_tokens=100)
SAID = Transcript("de", SEGMENTS)


def parse(**fields):
    return parse_transcription(
        {name: value if isinstance(value, list) else [value] for name, value in fields.items()}, LIMIT
    )


def test_a_form_with_nothing_but_the_model_has_openais_defaults():
    assert parse(model="m") == TranscriptionCall(Hearing(), "json")
    assert parse(model="m", language="", prompt=" ", temperature="0", stream="false") == parse(model="m")


def test_times_are_asked_of_the_engine_where_the_format_has_some():
    formats = ["json", "text", "srt", "verbose_json", "vtt"]
    assert [parse(response_format=name).hearing.timestamps for name in formats] == [False, False, True, True, True]
    fields = {"response_format": "verbose_json", "timestamp_granularities[]": ["segment"]}
    assert parse(**fields).hearing.timestamps


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"model": "other"}, "model", "served: m"),
        ({"language": "tlh"}, "language", "one of de, en"),
        ({"temperature": "1.5"}, "temperature", "from 0 to 1"),
        ({"temperature": "hot"}, "temperature", "from 0 to 1"),
        ({"temperature": "nan"}, "temperature", "from 0 to 1"),
        ({"response_format": "xml"}, "response_format", "json, text, srt"),
        ({"response_format": "diarized_json"}, "response_format", "speakers"),
        ({"stream": "true"}, "stream", "whole"),
        ({"stream": "maybe"}, "stream", "true or false"),
        ({"include[]": "logprobs"}, "include", "verbose_json"),
        ({"chunking_strategy": "auto"}, "chunking_strategy", "windows"),
        ({"timestamp_granularities[]": ["segment", "word"]}, "timestamp_granularities", "segment"),
        ({"timestamp_granularities[]": "page"}, "timestamp_granularities", "segment"),
        ({"timestamp_granularities[]": "segment"}, "timestamp_granularities", "verbose_json"),
        ({"prompt": ["a", "b"]}, "prompt", "twice"),
        ({"prompt": "x" * 40_000}, "prompt", "longer"),
        ({"volume": "11"}, "volume", "unknown"),
    ],
)
def test_what_is_wrong_is_named(fields, param, words):
    with pytest.raises(ApiError) as caught:
        parse(**fields)
    assert (caught.value.status, caught.value.param) == (404 if param == "model" else 400, param)
    assert words in caught.value.message


def test_the_verbose_answer_has_every_field_of_openais():
    text, kind = transcription_answer(TranscriptionCall(Hearing(), "verbose_json"), SAID, 4.5, LIMIT)
    body = json.loads(text)
    assert kind == "application/json"
    segments = body.pop("segments")
    assert body == {
        "task": "transcribe",
        "language": "german",
        "duration": 4.5,
        "text": "Hello there. Who --> is it?",
        "usage": {"type": "duration", "seconds": 5},
    }
    assert segments[1].pop("compression_ratio") == pytest.approx(15 / 23)
    assert segments[1] == {
        "id": 1,
        "seek": 0,
        "start": 3.0,
        "end": 4.25,
        "text": " Who --> is it?",
        "tokens": [8, 9],
        "temperature": 0.0,
        "avg_logprob": -0.25,
        "no_speech_prob": 0.01,
    }


def test_subtitles_have_their_times_and_no_arrow_but_their_own():
    assert srt(SEGMENTS) == (
        "1\n00:00:00,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> 00:00:04,250\nWho -> is it?\n\n"
    )
    assert vtt(SEGMENTS).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nHello there.\n\n")
    late = Segment(3725.999, 3726.0, " a\n\nb", (), 0, 0.0, 0.0, 0.0)
    assert srt([late]) == "1\n01:02:05,999 --> 01:02:06,000\na b\n\n"


def test_silence_is_an_empty_text_in_every_format():
    silence = Transcript("en", ())
    bodies = {
        name: transcription_answer(TranscriptionCall(Hearing(), name), silence, 1.0, LIMIT)[0]
        for name in ("json", "text", "srt", "verbose_json", "vtt")
    }
    assert (bodies["text"], bodies["srt"], bodies["vtt"]) == ("\n", "", "WEBVTT\n\n")
    assert json.loads(bodies["json"])["text"] == json.loads(bodies["verbose_json"])["text"] == ""
