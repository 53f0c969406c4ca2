"""openvino-genai's pipeline as the settings ask for it. Calls that library; loads the model.

Everything of a request that this library checks by ending the process is checked before it gets there.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inferfleet_runtime.engines.openvino_genai import EngineSettings
from inferfleet_runtime.hosts.openvino.jobs import Job
from inferfleet_runtime.hosts.openvino.schemas import constrained

_NGRAM = 3
"""Words of the text that must repeat before what followed them is proposed."""


def pipeline(library: Any, settings: EngineSettings, folder: Path) -> Any:
    """Load the model. `folder` takes the converted draft model. Raises RuntimeError with the library's words."""
    scheduler = library.SchedulerConfig()
    scheduler.num_kv_blocks = settings.blocks
    scheduler.max_num_seqs = settings.slots
    scheduler.max_num_batched_tokens = settings.batch_tokens
    scheduler.enable_prefix_caching = settings.prefix_cache
    properties = _cpu(settings) | {"KV_CACHE_PRECISION": settings.kv_precision}
    if settings.lookup:
        properties["prompt_lookup"] = True
    if settings.draft:
        properties["draft_model"] = library.draft_model(str(_converted(library, settings, folder)), "CPU")
    one = {"INFERENCE_NUM_THREADS": 1}
    return library.ContinuousBatchingPipeline(settings.model, scheduler, "CPU", properties, one)


def _cpu(settings: EngineSettings) -> dict[str, Any]:
    # pinned threads of two pods would share the first cores of a node; and the half of a core is one of the limit's
    return {
        "INFERENCE_NUM_THREADS": settings.threads,
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
    }


def _converted(library: Any, settings: EngineSettings, folder: Path) -> Path:
    """The draft model in OpenVINO's own format: as a draft the library takes no GGUF file."""
    link = folder / "draft.gguf"
    link.symlink_to(settings.draft)
    library.LLMPipeline(str(link), "CPU", enable_save_ov_model=True)
    return folder


def generation(library: Any, job: Job, wanted: int, ends: frozenset[int]) -> Any:
    """What the library is told of one request that gets `wanted` tokens at most."""
    config = constrained(library, job.schema, wanted) if job.schema else library.GenerationConfig()
    config.max_new_tokens = wanted
    # the library's own default is 0 for every request
    config.rng_seed = int.from_bytes(os.urandom(4), "little") if job.seed is None else job.seed % 2**32
    config.logprobs = int(job.logprobs)
    _set(config, job.sampling)
    if not config.ignore_eos:
        config.stop_token_ids = set(ends)
    return config


def _set(config: Any, sampling: Mapping[str, Any]) -> None:
    for name, value in sampling.items():
        setattr(config, name, value)


def speculate(config: Any, settings: EngineSettings, proposed: int) -> None:
    """Have tokens proposed to a request: where the pipeline speculates, every request must say how many."""
    if proposed:
        config.num_assistant_tokens = proposed
    if settings.lookup:
        config.max_ngram_size = _NGRAM
