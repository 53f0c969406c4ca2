"""transformers: Whisper, which writes down what is said, in Hugging Face's layout. Pure."""

from inferfleet_runtime.engines.profile import SCHEMES, EngineProfile

TRANSFORMERS = EngineProfile(
    name="transformers",
    serves=frozenset({"F32", "F16", "BF16"}),
    quantizes_to=frozenset(),
    # CUDA too, where `RuntimeConfig.device` says so; what is placed by kind is what was run
    platforms=frozenset({"cpu"}),
    modalities=frozenset({"Audio"}),
    schemes=SCHEMES,
    # resident memory of both processes less weights (PyTorch 2.15, x86): 845 MiB with a model of 2 MB, 905 with one of
    # Whisper tiny's shape; 25 minutes of sound, 48 MB in one, and 48 and 96 MB in the other, come on top
    process_overhead_bytes=1100 * 2**20,
    kv_bytes_per_element=0,
    context_step_tokens=1,
    startup_budget_seconds=60.0,
    wants="directory",
    placed=False,
)
