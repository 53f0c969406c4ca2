"""Sound written down by a real Whisper through the real server, asked for with OpenAI's client."""

import io
import os
import shutil
import signal
import threading
from pathlib import Path

import av
import numpy
import openai
import pytest
from media.tones import HIGH, LOW, tone, wav

from inferfleet_runtime.api.sound import SoundError
from inferfleet_runtime.hosts.speech.sound import decode


@pytest.fixture
def client(tone_pod):
    with tone_pod.client() as client:
        yield client


@pytest.fixture
def babbler(babble_pod):
    with babble_pod.client() as client:
        yield client


LENIENT = {"strict": "-2"}
"""FFmpeg writes rates then that FLAC has only since they were asked for."""


def hear(client, file, **fields):
    return client.audio.transcriptions.create(model="tiny", file=file, **fields)


def encoded(fmt, codec, name, rate=48_000):
    """The high tone, compressed: one second of it where it has 48,000 samples a second."""
    file = io.BytesIO()
    with av.open(file, "w", format=fmt) as container:
        stream = container.add_stream(codec, rate=rate, layout="mono", options=LENIENT)
        samples = (tone(HIGH, 1.0, 48_000) * 32767).astype("<i2").reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            stream.codec_context.format, "mono", rate, stream.codec_context.frame_size or None
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return name, file.getvalue()


@pytest.mark.parametrize(("hertz", "word"), [(LOW, "low"), (HIGH, "high")])
def test_a_trained_model_writes_down_what_it_hears(client, hertz, word):
    heard = hear(client, wav(tone(hertz, 2.0, phase=1.0)))
    assert heard.text == word
    assert (heard.usage.type, heard.usage.seconds) == ("duration", 2)


def test_sound_beyond_one_window_is_heard_to_its_end_with_times(client):
    sound = wav(numpy.concatenate([tone(LOW, 2.0), tone(HIGH, 2.0), tone(LOW, 1.5)]))
    heard = hear(client, sound, response_format="verbose_json", timestamp_granularities=["segment"])
    assert heard.text == "low high low"
    assert [(s.id, s.start, s.end, s.text) for s in heard.segments] == [
        (0, 0.0, 2.0, " low"),
        (1, 2.0, 4.0, " high"),
        (2, 4.0, 5.5, " low"),
    ]
    assert (heard.language, heard.duration, heard.usage.seconds) == ("english", 5.5, 6)
    assert all(s.avg_logprob < 0 <= s.no_speech_prob <= 1 for s in heard.segments)
    assert [s.seek for s in heard.segments] == [0, 200, 400]


def test_subtitles_and_plain_text_say_the_same(client):
    sound = wav(numpy.concatenate([tone(LOW, 2.0), tone(HIGH, 2.0)]))
    assert hear(client, sound, response_format="text") == "low high\n"
    assert hear(client, sound, response_format="srt") == (
        "1\n00:00:00,000 --> 00:00:02,000\nlow\n\n2\n00:00:02,000 --> 00:00:04,000\nhigh\n\n"
    )
    assert hear(client, sound, response_format="vtt") == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nlow\n\n00:00:02.000 --> 00:00:04.000\nhigh\n\n"
    )


@pytest.mark.parametrize("rate", [8_000, 11_025, 48_000])
def test_any_rate_and_number_of_channels_is_heard_the_same(client, rate):
    assert hear(client, wav(tone(HIGH, 2.0, rate), rate, channels=2)).text == "high"


def test_a_rate_at_which_a_small_file_becomes_gigabytes_is_refused(client):
    for rate in (1, 8, 3_999):
        name, content = encoded("flac", "flac", "a.flac", rate)
        assert len(content) < 100_000
        with pytest.raises(openai.BadRequestError, match=f"{rate} samples a second: 4,000 to 768,000 Hz"):
            hear(client, (name, content))


def test_the_slowest_rate_is_heard(client):
    assert hear(client, wav(tone(HIGH, 2.0, 4_000), 4_000)).text == "high"


def test_files_are_decoded_beside_the_server(client, tone_pod):
    hear(client, encoded("ogg", "libopus", "a.ogg"))
    assert "libav" not in Path(f"/proc/{tone_pod.process.pid}/maps").read_text()


def test_a_known_kind_of_file_with_an_unknown_codec_is_refused(client):
    with pytest.raises(openai.BadRequestError, match="cannot be decoded"):
        hear(client, encoded("matroska", "ac3", "a.webm"))


@pytest.mark.parametrize(
    ("fmt", "codec", "name"),
    [
        ("flac", "flac", "a.flac"),
        ("mp3", "libmp3lame", "a.mp3"),
        ("ogg", "libopus", "a.ogg"),
        ("webm", "libopus", "a.webm"),
        ("ipod", "aac", "a.m4a"),
    ],
)
def test_compressed_files_are_heard_too(client, fmt, codec, name):
    heard = hear(client, encoded(fmt, codec, name), response_format="verbose_json")
    assert heard.text == "high"
    assert heard.duration == pytest.approx(1.0, abs=0.05)


def test_the_same_sound_is_written_the_same_each_time_at_any_temperature(babbler):
    for temperature in (0, 1):
        texts = {hear(babbler, wav(tone(LOW, 3.0)), temperature=temperature).text for _ in range(3)}
        assert len(texts) == 1
    assert hear(babbler, wav(tone(LOW, 3.0)), temperature=0.3).text not in texts


def test_the_language_is_told_or_found_out(babbler):
    told = hear(babbler, wav(tone(LOW, 1.0)), language="de", response_format="verbose_json")
    assert told.language == "german"
    found = hear(babbler, wav(tone(LOW, 1.0)), response_format="verbose_json")
    assert found.language in ("english", "german")


def test_a_model_of_one_language_and_weights_of_two_bytes_hears_too(english_pod):
    with english_pod.client() as client:
        heard = hear(client, wav(tone(LOW, 3.0)), language="en", response_format="verbose_json")
        assert (heard.language, heard.duration) == ("english", 3.0)
        assert heard.segments
        with pytest.raises(openai.BadRequestError, match="one of en"):
            hear(client, wav(tone(LOW, 1.0)), language="de")


def test_a_folder_without_a_whisper_ends_the_pod_with_the_reason(start, tmp_path, babble_pod):
    folder = shutil.copytree(babble_pod.root / "var/lib/inferfleet/weights/model", tmp_path / "model")
    (folder / "config.json").write_text('{"model_type": "bert"}')
    pod = start(folder, "Audio")
    assert pod.process.wait(600) == 1
    assert "model_type bert cannot be served: whisper can" in pod.log.read_text().splitlines()[-1]


def test_a_prompt_changes_what_is_written_and_one_that_is_too_long_is_refused(babbler):
    sound = wav(tone(LOW, 1.0))
    assert hear(babbler, sound, prompt="<|endoftext|> as text").text != hear(babbler, sound).text
    with pytest.raises(openai.BadRequestError) as caught:
        hear(babbler, sound, prompt="word " * 10)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")


@pytest.mark.parametrize(
    "content",
    [
        b"no sound at all",
        b"",
        wav(tone(LOW, 0.0))[1],
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
    ],
    ids=["junk", "empty", "no samples", "playlist", "list of files"],
)
def test_what_is_no_sound_is_refused(client, content):
    with pytest.raises(openai.BadRequestError) as caught:
        hear(client, ("a.wav", content))
    assert (caught.value.param, caught.value.code) == ("file", "invalid_value")


def test_wrong_parameters_and_other_endpoints_are_refused_by_name(client):
    with pytest.raises(openai.BadRequestError) as caught:
        hear(client, wav(tone(LOW, 1.0)), stream=True)
    assert caught.value.param == "stream"
    with pytest.raises(openai.BadRequestError) as caught:
        hear(client, wav(tone(LOW, 1.0)), language="tlh")
    assert caught.value.param == "language"
    with pytest.raises(openai.NotFoundError):
        client.audio.transcriptions.create(model="other", file=wav(tone(LOW, 1.0)))
    with pytest.raises(openai.NotFoundError, match="no bundled engine"):
        client.audio.translations.create(model="tiny", file=wav(tone(LOW, 1.0)))
    with pytest.raises(openai.NotFoundError, match="modality Text"):
        client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "x"}])


def test_small_files_of_long_silence_and_large_files_are_refused(client):
    with pytest.raises(openai.BadRequestError, match="longer than 1500 s"):
        hear(client, wav(numpy.zeros(8_000 * 1501), 8_000))
    with pytest.raises(openai.APIStatusError) as caught:
        hear(client, ("a.wav", bytes(26 * 2**20)))
    assert (caught.value.status_code, caught.value.code) == (413, "file_too_large")


def test_no_more_is_decoded_than_may_be_heard():
    file = io.BytesIO(wav(numpy.zeros(8_000 * 60), 8_000)[1])
    with pytest.raises(SoundError, match="longer than 1 s"):
        decode(file, 1.0)
    assert file.tell() < len(file.getvalue()) / 2


def test_what_is_counted_is_what_was_heard(client, tone_pod):
    before = tone_pod.metrics()
    hear(client, wav(tone(LOW, 3.0)))
    after = tone_pod.metrics()
    grown = {name: after[name] - before[name] for name in after if name in before}
    assert grown["inferfleet:audio_seconds_total"] == pytest.approx(3.0)
    assert grown["vllm:prompt_tokens_total"] == 150
    # of each window: two times, " low" in letters, the end
    assert grown["vllm:generation_tokens_total"] == 14
    assert grown["vllm:e2e_request_latency_seconds_count"] == 1
    assert after["inferfleet:capacity_tokens_per_second"] > 0


def test_a_client_that_goes_stops_its_transcription(babbler, babble_pod):
    def logged(**known):
        return [line for line in babble_pod.lines() if known.items() <= line.items()]

    hear(babbler, wav(tone(LOW, 20.0)))
    with pytest.raises(openai.APITimeoutError):
        hear(babbler.with_options(timeout=6.0), wav(tone(LOW, 1500.0, 4_000), 4_000))
    babble_pod.until(lambda: logged(audio_seconds=1500.0, outcome="cancelled"), "the end of the request")
    hear(babbler, wav(tone(LOW, 1.5)))  # comes after what was left of the first
    babble_pod.until(lambda: logged(audio_seconds=1.5), "the end of the second")
    # all of the first would have taken 75 times as long as its like of 20 s
    assert logged(audio_seconds=1.5)[0]["seconds"] < 25 * logged(audio_seconds=20.0)[0]["seconds"]


def test_a_drain_waits_for_what_is_being_heard_and_a_lost_engine_is_told(start, tmp_path_factory, babble_pod):
    folder = babble_pod.root / "var/lib/inferfleet/weights/model"
    pods = [start(folder, "Audio").ready() for _ in range(2)]
    texts, errors = [], []
    with pods[0].client() as client, pods[1].client() as other:

        def ask(client):
            try:
                texts.append(hear(client, wav(tone(LOW, 20.0))).text)
            except openai.APIError as error:
                errors.append(error)

        asking = [threading.Thread(target=ask, args=(each,)) for each in (client, other)]
        for thread, pod in zip(asking, pods, strict=True):
            thread.start()
            pod.until(lambda pod=pod: pod.metrics()["vllm:num_requests_running"] == 1, "a running request")
        pods[0].terminate()
        os.kill(pods[1].engine(), signal.SIGKILL)
        for thread in asking:
            thread.join()
        assert [pod.process.wait(600) for pod in pods] == [0, 1]
    assert len(texts) == 1
    assert [type(error) for error in errors] in ([openai.InternalServerError], [openai.APIConnectionError])
    assert "SIGKILL" in pods[1].log.read_text().splitlines()[-1]
