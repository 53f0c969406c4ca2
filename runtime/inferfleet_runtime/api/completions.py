"""`/v1/completions`: the request, and the logprobs of its answer. Pure; `parse` raises ApiError."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inferfleet_runtime.api import checks
from inferfleet_runtime.api.adapters import lora, renaming
from inferfleet_runtime.api.calls import Call, Limits
from inferfleet_runtime.api.chat import check_single
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.sampling import SAMPLING, sampling
from inferfleet_runtime.api.work import Work

_HANDLED = frozenset(
    {"best_of", "echo", "logprobs", "max_tokens", "model", "n", "prompt", "stream", "stream_options", "suffix"}
)
_KNOWN = SAMPLING | _HANDLED | checks.WITHOUT_EFFECT
_MOST_LOGPROBS = 5


def parse(body: dict[str, Any], limit: Limits) -> Call:
    """Check a request and estimate its size."""
    checks.check_model(body.get("model"), limit)
    checks.check_names(body, _KNOWN)
    check_single(body, "n", "best_of")
    _check_unsupported(body)
    logprobs = _logprobs(body)
    stream, include_usage = checks.streaming(body)
    prompt = _prompt_tokens(body)
    output = checks.output_tokens(body, ("max_tokens",), prompt, limit)
    sent = {name: body[name] for name in ("model", "prompt")} | sampling(body)
    sent |= {"max_tokens": output} | lora(body["model"], limit)
    if logprobs is not None:
        sent["logprobs"] = max(1, logprobs)  # to the engine 0 means none, not even of the chosen token
    return Call(
        endpoint="/v1/completions",
        body=checks.streamed(sent, stream),
        stream=stream,
        include_usage=include_usage,
        work=Work(prompt, output),
        rewriters=(*(() if logprobs is None else (Logprobs,)), *renaming(body["model"], limit)),
    )


def _check_unsupported(body: Mapping[str, Any]) -> None:
    """The engine would ignore these without a word."""
    if body.get("echo"):
        raise unsupported("echo", "the prompt is not repeated here; the client has it")
    if body.get("suffix"):
        raise unsupported("suffix", "text is only continued here, not filled in")


def _logprobs(body: Mapping[str, Any]) -> int | None:
    wanted = body.get("logprobs")
    if wanted is not None and (type(wanted) is not int or not 0 <= wanted <= _MOST_LOGPROBS):
        raise ApiError(400, f"`logprobs` must be a whole number from 0 to {_MOST_LOGPROBS}", param="logprobs")
    return wanted


def _prompt_tokens(body: Mapping[str, Any]) -> int:
    prompt: Any = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str | list):
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return checks.text_tokens(prompt)
    if checks.is_token_ids(prompt):
        return len(prompt)
    raise ApiError(400, "`prompt` must be one text or one list of token ids, not empty", param="prompt")


@dataclass
class Logprobs:
    """A Rewriter: llama.cpp words the logprobs of a completion as a chat's; OpenAI has a list for each field."""

    _offset: int = 0
    """Characters of the answer so far."""

    def event(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """See Rewriter."""
        return [self.answer(payload)]

    def answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """See Rewriter."""
        choices = payload.get("choices")
        return payload | {"choices": [self._choice(choice) for choice in choices]} if choices else payload

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        content = (choice.get("logprobs") or {}).get("content")
        if not content:
            return choice
        offsets = []
        for token in content:
            offsets.append(self._offset)
            self._offset += len(token["token"])
        listed = {
            "tokens": [token["token"] for token in content],
            "token_logprobs": [token["logprob"] for token in content],
            "top_logprobs": [{top["token"]: top["logprob"] for top in token["top_logprobs"]} for token in content],
            "text_offset": offsets,
        }
        return choice | {"logprobs": listed}
