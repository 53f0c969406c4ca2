"""Sound as it is handed on to the engine. Pure, and imported in moments: each file is decoded in a new process."""

RATE = 16_000
"""Samples a second of what the engine hears."""
BYTES_PER_SECOND = 2 * RATE
"""Of sound as it is handed on: signed 16-bit numbers, little-endian, one channel."""
UNREADABLE = "the file cannot be decoded: a file in WAV, FLAC, MP3, Ogg, AAC, MP4, M4A or WebM is needed"


class SoundError(Exception):
    """The file cannot be heard. The message is for the client."""
