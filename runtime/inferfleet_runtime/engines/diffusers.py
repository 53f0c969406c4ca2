"""diffusers: pictures and videos of a pipeline in Hugging Face's layout. Pure."""

from inferfleet_runtime.engines.profile import EngineProfile

DIFFUSERS = EngineProfile(
    name="diffusers",
    serves=frozenset({"F32", "F16", "BF16"}),
    quantizes_to=frozenset(),
    # CUDA too, where `RuntimeConfig.device` says so; what is placed by kind is what was run
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Image", "Video"}),
    schemes=frozenset({"file", "https", "oci", "hf", "s3", "gs"}),
    # resident memory of both processes with pipelines of 1 to 7 MB (PyTorch 2.14, x86): 840 MiB with pictures of
    # 64x64, 940 with 512x512, 1030 at the peak; the activations of a large model come on top
    process_overhead_bytes=1100 * 2**20,
    kv_bytes_per_element=0,
    context_step_tokens=1,
    startup_budget_seconds=60.0,
    wants="directory",
    placed=False,
)
