"""The process that decodes a file, without the library that does."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from waiting import until

from inferfleet_runtime.api.sound import UNREADABLE, SoundError
from inferfleet_runtime.hosts.speech.decoder import decode


def process(script, *arguments):
    return (sys.executable, "-c", f"import os, sys, time; {script}", *arguments)


@pytest.fixture
def file(tmp_path):
    with (tmp_path / "sound").open("wb+") as opened:
        opened.write(b"abc")
        opened.flush()
        yield opened


async def test_what_the_process_writes_is_the_sound_of_the_file_in_the_seconds_that_it_may_last(file):
    echo = process("os.lseek(0, 0, 0); print(sys.stdin.read(), sys.argv[1], end='')")
    assert await decode(file, 12.5, echo) == b"abc 12.5"


async def test_what_the_process_refuses_is_refused_in_its_words(file):
    with pytest.raises(SoundError, match=r"^too long$"):
        await decode(file, 1.0, process("sys.stderr.write('too long'); sys.exit(3)"))


@pytest.mark.parametrize(
    ("script", "code", "error"),
    [("os.abort()", -6, ""), ("raise LookupError('quotes the file')", 1, "LookupError")],
)
async def test_a_file_that_ends_its_process_is_unreadable_and_logged_without_its_content(
    file, caplog, script, code, error
):
    with pytest.raises(SoundError, match="cannot be decoded") as caught:
        await decode(file, 1.0, process(script))
    assert str(caught.value) == UNREADABLE
    (record,) = [record for record in caplog.records if record.msg == "a file ended its decoder"]
    assert (record.exit_code, record.error) == (code, error)


async def test_cancelling_ends_the_process_however_much_it_has_written(file, tmp_path):
    mark = tmp_path / "pid"
    script = "open(sys.argv[1], 'w').write(str(os.getpid())); os.write(1, bytes(10**7)); time.sleep(1000)"
    running = asyncio.create_task(decode(file, 1.0, process(script, str(mark))))
    await until(lambda: mark.is_file() and mark.read_text() != "")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)
    assert not Path(f"/proc/{mark.read_text()}").exists()
