"""The process with Whisper: `python -m inferfleet_runtime.hosts.speech.worker SETTINGS`. Internal."""

from inferfleet_runtime.api.speech import Listener, Transcript
from inferfleet_runtime.engines.pytorch import TorchSettings
from inferfleet_runtime.hosts.media.worker import Engine, work
from inferfleet_runtime.hosts.speech.messages import SPEECH, Said


def _load(settings: TorchSettings) -> Engine[Listener, Said, Transcript]:
    from inferfleet_runtime.hosts.speech import whisper  # noqa: PLC0415 - seconds of imports

    return whisper.Whisper(settings)


if __name__ == "__main__":
    work(_load, SPEECH)
