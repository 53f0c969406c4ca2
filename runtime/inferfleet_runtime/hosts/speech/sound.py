"""Sound files decoded to what the engine hears. Imports PyAV."""

from collections.abc import Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import IO, Any

import av

from inferfleet_runtime.api.speech import BYTES_PER_SECOND, RATE, SoundError

_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # by the names of FFmpeg's readers. Others (playlists, lists of files) open what the file names: files of this
        # pod, and addresses inside the cluster
        "format_whitelist": "wav,flac,mp3,ogg,aac,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
        "protocol_whitelist": "none",
    }
)
_READ = "a file in WAV, FLAC, MP3, Ogg, AAC, MP4, M4A or WebM is needed"


def decode(file: IO[bytes], longest: float) -> bytes:
    """All that is heard in it, as `api.speech` has it. Raises SoundError, also for more than `longest` seconds."""
    try:
        sound = _decoded(file, int(longest * BYTES_PER_SECOND))
    except (av.FFmpegError, ValueError) as error:
        raise SoundError(f"the file cannot be decoded: {_READ}") from error
    if not sound:
        raise SoundError("there is no sound in the file")
    if len(sound) > longest * BYTES_PER_SECOND:
        raise SoundError(f"the sound lasts longer than {longest:g} s: cut it")
    return sound


def _decoded(file: IO[bytes], most: int) -> bytes:
    """A few milliseconds over `most` bytes at the end: a small file may hold hours of silence."""
    sound = bytearray()
    with av.open(file, "r", options=dict(_OPTIONS), metadata_errors="ignore") as container:
        if not container.streams.audio:
            raise SoundError("there is no sound in the file: it has no audio track")
        for samples in _resampled(container):
            sound += samples
            if len(sound) > most:
                break
    return bytes(sound)


def _resampled(container: Any) -> Iterator[bytes]:
    resampler = av.AudioResampler("s16", "mono", RATE)
    for frame in chain(container.decode(audio=0), [None]):
        for heard in resampler.resample(frame):
            yield heard.to_ndarray().tobytes()
