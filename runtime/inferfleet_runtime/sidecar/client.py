"""The engine over HTTP, as one of its clients sees it. Reads and asks; errors tell apart who is to blame."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from inferfleet_runtime.engines.vendors.vendor import VendorEngine

_LONGEST = 300


class DownError(Exception):
    """Nobody listens, or the connection broke: the process is not there."""


class SilentError(Exception):
    """The connection stands and no answer came in time."""


class RefusedError(Exception):
    """An answer that is none: the engine's own words."""


@dataclass(frozen=True)
class Model:
    """One entry of `/v1/models`."""

    id: str
    root: str | None
    """Path or repository that it was loaded from, where the engine says."""


class EngineClient:
    """Open connections are no business of the engine between two requests: each has its own."""

    def __init__(self, url: str, engine: VendorEngine, session: aiohttp.ClientSession) -> None:
        """`url`: of the API, without `/v1`."""
        self._url, self._engine, self._session = url, engine, session
        port = engine.metrics_port
        self._metrics = f"{url if port is None else _with_port(url, port)}{engine.metrics_path}"

    async def models(self, timeout: float) -> list[Model]:
        """What it serves."""
        answer = await self._json("GET", "/v1/models", None, timeout)
        entries = answer.get("data")
        found = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
        return [Model(str(e.get("id", "")), str(e["root"]) if e.get("root") else None) for e in found]

    async def generate(self, model: str, prompt: Sequence[int], tokens: int, timeout: float) -> tuple[int, int]:
        """Prompt and generated tokens of one completion. Raises RefusedError for one without a token."""
        # engines that take no token ids get about as many words
        asked: Any = list(prompt) if self._engine.takes_token_ids else " ".join(f"w{i}" for i in prompt)
        body = {"model": model, "prompt": asked, "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        answer = await self._json("POST", "/v1/completions", body, timeout)
        counted, generated = _counts(answer)
        if not answer.get("choices") or generated < 1:
            raise RefusedError(f"it generated nothing: {str(answer)[:_LONGEST]}")
        return counted or len(prompt), generated

    async def load_adapter(self, name: str, path: str, timeout: float) -> None:
        """Load a LoRA adapter from its folder."""
        assert self._engine.load_adapter_path
        await self._text("POST", self._engine.load_adapter_path, {"lora_name": name, "lora_path": path}, timeout)

    async def metrics(self, timeout: float) -> bytes:
        """The page of its series."""
        return await self._ask("GET", self._metrics, None, timeout)

    async def _json(self, method: str, path: str, body: Any, timeout: float) -> dict[str, Any]:
        text = await self._text(method, path, body, timeout)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise RefusedError(f"{path} answered {text[:_LONGEST]!r}")
        return found

    async def _text(self, method: str, path: str, body: Any, timeout: float) -> str:
        return (await self._ask(method, f"{self._url}{path}", body, timeout)).decode(errors="replace")

    async def _ask(self, method: str, url: str, body: Any, timeout: float) -> bytes:
        try:
            async with (
                asyncio.timeout(timeout),
                self._session.request(method, url, json=body, headers={"Connection": "close"}) as response,
            ):
                answer = await response.read()
        except TimeoutError as error:
            raise SilentError(f"no answer from {url} within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise DownError(f"{url} cannot be reached: {error}") from error
        if response.status != 200:
            said = answer[:_LONGEST].decode(errors="replace")
            raise RefusedError(f"{url}: HTTP {response.status}: {said}")
        return answer


def _counts(answer: dict[str, Any]) -> tuple[int, int]:
    """Prompt and generated tokens; 0 where it says none. Raises RefusedError for what is no count."""
    try:
        usage = answer.get("usage") or {}
        return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RefusedError(f"its usage is none: {str(answer)[:_LONGEST]}") from error


def _with_port(url: str, port: int) -> str:
    return f"{url.rpartition(':')[0]}:{port}"
