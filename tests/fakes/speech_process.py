"""An engine's process without a Whisper: `python -P speech_process.py SETTINGS`, in which the folder is the WAY.

All but the model is real. WAY: `long` writes a transcript of some two megabytes; `bare` lacks a package; `odd` raises
an error of a library's own kind as it loads.
"""

from inferfleet_runtime.api.speech import Listener, Segment, Transcript
from inferfleet_runtime.hosts.media.worker import work
from inferfleet_runtime.hosts.speech.messages import SPEECH

SEGMENTS = 10_000


class _OddError(Exception):
    """What a library raises."""


class Long:
    """Says the same all day."""

    facts = Listener({"en": "english"}, chooses=False, window_seconds=30.0, positions=1500)

    def make(self, _, step):
        step(1)
        segment = Segment(0.0, 4.0, " word" * 20, tuple(range(20)), 0, 0.0, -0.25, 0.01)
        return Transcript("en", (segment,) * SEGMENTS)


def load(settings):
    if settings.folder == "bare":
        import no_such_package  # noqa: F401
    if settings.folder == "odd":
        raise _OddError("incomplete\nmetadata")
    return Long()


if __name__ == "__main__":
    work(load, SPEECH)
