"""Sound files decoded to what the engine hears: `python -m inferfleet_runtime.hosts.speech.sound SECONDS`. Internal.

Reads a file on standard input and writes sound, as `api.sound` has it, to standard output. Imports PyAV. One process
decodes one file: FFmpeg is C code that parses what strangers send, and here it neither shares the server's memory nor
can end it.
"""

import os
import resource
import sys
from collections.abc import Mapping
from itertools import chain
from types import MappingProxyType
from typing import IO, Any

import av

from inferfleet_runtime.api.sound import BYTES_PER_SECOND, RATE, UNREADABLE, SoundError

_UNHEARD = 3
"""Exit code, which `decoder` knows: where the file cannot be heard; the reason is on standard error."""
_CODECS = (
    "flac,mp3float,mp3,aac,alac,opus,libopus,vorbis,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav"
)
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # by the names of FFmpeg's readers. Others (playlists, lists of files) open what the file names: files of this
        # pod, and addresses inside the cluster
        "format_whitelist": "wav,flac,mp3,ogg,aac,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
        "protocol_whitelist": "none",
        # FFmpeg has hundreds of decoders for what nobody sends, and pictures need none here
        "codec_whitelist": _CODECS,
    }
)
_RATES = range(4_000, 768_001)
"""Samples a second. At fewer, a file of some kilobytes becomes gigabytes of sound in one frame."""
_MEMORY = 2**30
"""Bytes of the process's addresses beside the sound: it starts with some 300 MiB."""
_SECONDS = 60


def decode(file: IO[bytes], longest: float) -> bytes:
    """All that is heard in it, as `api.sound` has it. Raises SoundError, also for more than `longest` seconds."""
    try:
        sound = _decoded(file, int(longest * BYTES_PER_SECOND), longest)
    except (av.FFmpegError, ValueError) as error:
        raise SoundError(UNREADABLE) from error
    if not sound:
        raise SoundError("there is no sound in the file")
    return sound


def _decoded(file: IO[bytes], most: int, longest: float) -> bytes:
    """At most `most` bytes, and no frame grows before it is known to fit: a small file may hold hours of silence."""
    sound = bytearray()
    with av.open(file, "r", options=dict(_OPTIONS), metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise SoundError("there is no sound in the file: it has no audio track")
        codec = container.streams.audio[0].codec_context
        if codec is None or codec.name not in _CODECS.split(","):
            raise SoundError(UNREADABLE)
        resampler = av.AudioResampler("s16", "mono", RATE)
        for frame in chain(container.decode(audio=0), [None]):
            if len(sound) + _grown(frame) > most:
                raise SoundError(f"the sound lasts longer than {longest:g} s: cut it")
            for heard in resampler.resample(frame):
                sound += memoryview(heard.planes[0])[: 2 * heard.samples]
    return bytes(sound)


def _grown(frame: Any) -> int:
    """Bytes that a frame becomes; none for what the resampler still holds. Raises SoundError."""
    if frame is None:
        return 0
    if frame.sample_rate not in _RATES:
        known = f"{_RATES.start:,} to {_RATES.stop - 1:,} Hz"
        raise SoundError(f"the sound has {frame.sample_rate} samples a second: {known} can be heard")
    return int(frame.samples * BYTES_PER_SECOND / frame.sample_rate)


def main(longest: float) -> int:
    """Decode standard input within bounds of memory and time, whatever FFmpeg makes of the file."""
    memory = _MEMORY + int(3 * longest * BYTES_PER_SECOND)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    seconds = _SECONDS + int(longest / 10)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    os.lseek(0, 0, os.SEEK_SET)
    try:
        sys.stdout.buffer.write(decode(sys.stdin.buffer, longest))
    except SoundError as error:
        sys.stderr.write(str(error))
        return _UNHEARD
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
