"""What runs in an engine's process, without one; and what it says of weights that cannot be loaded."""

import json
import struct
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import fakes
import pytest

from inferfleet_runtime.api.speech import Hearing, Transcript
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.hosts.media.weights import UnfitError, stored_type
from inferfleet_runtime.hosts.media.worker import CancelledError, _Inbox, _make, _Work
from inferfleet_runtime.hosts.speech.host import running_speech
from inferfleet_runtime.hosts.speech.messages import SPEECH, Said

PROCESS = Path(fakes.__path__[0]) / "speech_process.py"
SEGMENTS = 10_000
BODY, SOUND = SPEECH.write_asked(Said(Hearing("en"), bytes(1000)))


@asynccontextmanager
async def host(way):
    settings = json.dumps({"folder": way, "threads": 1, "device": "cpu"})
    async with running_speech([sys.executable, "-P", str(PROCESS), settings], time.monotonic) as running:
        yield running


class Sent(list):
    """Where messages go."""

    def send(self, message, _=b""):
        self.append(message)


class Endless:
    """It would take a thousand steps; `at` some step it calls what the test gives it."""

    def __init__(self, at, call):
        self.steps, self.at, self.call = 0, at, call

    def make(self, _, step):
        while self.steps < 1000:
            self.steps += 1
            if self.steps == self.at:
                self.call()
            if not step(self.steps):
                raise CancelledError
        return Transcript("en", ())


def test_what_is_cancelled_stops_after_the_step_that_runs():
    inbox, sent = _Inbox(), Sent()
    engine = Endless(3, lambda: inbox.cancel(7))
    inbox.put({"id": 7, "make": BODY}, SOUND)
    _make(_Work(engine, SPEECH), inbox.wanted.get(), (sent, inbox))
    assert engine.steps == 3
    assert sent[-1] == {"id": 7, "cancelled": True}
    assert not inbox.cancelled


def test_what_is_cancelled_while_it_waits_takes_no_memory_and_is_answered_in_its_turn():
    inbox, sent = _Inbox(), Sent()
    engine = Endless(0, lambda: None)
    inbox.put({"id": 8, "make": BODY}, SOUND)
    inbox.put({"id": 9, "make": BODY}, SOUND)
    inbox.cancel(8)
    assert list(inbox.waiting) == [9]
    for _ in range(2):
        _make(_Work(engine, SPEECH), inbox.wanted.get(), (sent, inbox))
    assert sent[0] == {"id": 8, "cancelled": True}
    assert (engine.steps, sent[-1]) == (1000, {"id": 9, "made": {}})
    assert not inbox.waiting


async def test_a_transcript_of_two_megabytes_is_heard_and_the_process_goes_on():
    async with host("long") as h:
        await h.load()
        for _ in range(2):
            heard = await h.generate(Said(Hearing("en"), b"xx"), lambda _: None)
            assert (len(heard.segments), len(heard.text)) == (SEGMENTS, SEGMENTS * 100 - 1)
        assert h.problem() == ""


async def test_an_image_without_the_engines_packages_is_told_which_target_has_them():
    async with host("bare") as h:
        with pytest.raises(CommandError, match=r"could not load the model: No module named 'no_such_package'.*`media`"):
            await h.load()


async def test_an_error_of_a_librarys_own_kind_is_the_reason_in_one_line():
    async with host("odd") as h:
        with pytest.raises(CommandError, match="could not load the model: _OddError: incomplete metadata"):
            await h.load()


def weights(file, header, data=bytes(6)):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return file


HEADER = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    "b": {"dtype": "F16", "shape": [1], "data_offsets": [4, 6]},
}


def test_the_type_is_that_of_most_weights(tmp_path):
    assert stored_type([weights(tmp_path / "w.safetensors", HEADER)], tmp_path) == "F32"


@pytest.mark.parametrize(
    "content",
    [
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1234\n",
        b"",
        b"<!doctype html><title>Not found</title>",
    ],
    ids=["Git LFS's pointer", "empty", "a page"],
)
def test_a_file_that_is_no_safetensors_is_named(tmp_path, content):
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(UnfitError, match=rf"model\.safetensors: its {len(content)} bytes are cut short"):
        stored_type([file], tmp_path)


@pytest.mark.parametrize(
    ("header", "data"),
    [(HEADER, bytes(5)), (HEADER, bytes(7)), ({}, b""), (b"[1]", b""), (b"\xff", b""), ({"a": {"dtype": "F32"}}, b"")],
)
def test_weights_that_do_not_fill_their_file_are_refused(tmp_path, header, data):
    with pytest.raises(UnfitError, match="cut short"):
        stored_type([weights(tmp_path / "w.safetensors", header, data)], tmp_path)
