"""What a pod is configured with: a test says only what matters to it, the rest is sensible."""

from typing import Any

from inferfleet_runtime.contract import RuntimeConfig


def configuration(**changes: Any) -> dict[str, Any]:
    """As the operator writes it."""
    return {
        "servedModelName": "team/m",
        "workloadClass": "chat",
        "engine": "llama-cpp",
        "source": {"uri": "file:///m.gguf"},
        "slots": 2,
        "contextTokens": 1000,
        "threads": 1,
        "admission": {"maxQueuedTokens": 8000},
        "benchmark": {"promptTokens": 32, "outputTokens": 32},
        "drainSeconds": 30,
        **changes,
    }


def runtime_config(**changes: Any) -> RuntimeConfig:
    """The same, parsed."""
    return RuntimeConfig.model_validate(configuration(**changes))
