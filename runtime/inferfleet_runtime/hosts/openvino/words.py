"""A request's prompt as tokens. Calls llama.cpp's tokenizer and openvino-genai's chat template; changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from inferfleet_runtime.hosts.openvino.jobs import Job, RefusedError
from inferfleet_runtime.hosts.openvino.vocabulary import Vocabulary


def prompt_tokens(job: Job, vocabulary: Vocabulary, template: Any) -> list[int]:
    """`template` is openvino-genai's tokenizer, which knows the model's. Raises RefusedError."""
    if isinstance(job.prompt, tuple):
        # the engine reads past its table for an id that is not in it
        if not all(0 <= token < vocabulary.size for token in job.prompt):
            raise RefusedError(400, "Prompt contains invalid tokens")
        return list(job.prompt)
    return vocabulary.tokens(render(job.messages, template) if job.messages else job.prompt)


def render(messages: Sequence[Mapping[str, Any]], template: Any) -> str:
    """A chat as the model's template writes it. Raises RefusedError."""
    try:
        return str(template.apply_chat_template(list(messages), add_generation_prompt=True))
    except (RuntimeError, TypeError) as error:
        said = str(error).strip().splitlines()[-1][:200]
        raise RefusedError(400, f"the model's chat template refuses these messages: {said}") from error
