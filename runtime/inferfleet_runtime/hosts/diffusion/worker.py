"""The process with the pipeline: `python -m inferfleet_runtime.hosts.diffusion.worker SETTINGS`. Internal."""

from inferfleet_runtime.api.media import Generation, Pipeline
from inferfleet_runtime.engines.pytorch import TorchSettings
from inferfleet_runtime.hosts.diffusion.messages import DIFFUSION, Made
from inferfleet_runtime.hosts.media.worker import Engine, work


def _load(settings: TorchSettings) -> Engine[Pipeline, Generation, Made]:
    from inferfleet_runtime.hosts.diffusion import pipeline  # noqa: PLC0415 - seconds of imports

    return pipeline.Painter(settings)


if __name__ == "__main__":
    work(_load, DIFFUSION)
