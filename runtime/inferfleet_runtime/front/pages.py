"""What a pod says of itself: its models, health and metrics."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from inferfleet_runtime import contract
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.front.service import Phase, Service

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pages(service: Service) -> list[web.RouteDef]:
    """Routes of every modality."""
    return [
        web.get("/v1/models", _models(service.config)),
        web.get("/v1/models/{name:.+}", _one_model(service.config)),
        web.get(contract.LIVE_PATH, _live(service)),
        web.get(contract.READY_PATH, _ready(service)),
        web.get(contract.METRICS_PATH, _metrics(service)),
    ]


def _listed(config: RuntimeConfig) -> list[dict[str, Any]]:
    """The model and, as vLLM shows them, its adapters."""
    full = config.served_model_name
    names = [full, *(f"{full}:{adapter.name}" for adapter in config.adapters or ())]
    return [
        {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "inferfleet",
            "max_model_len": config.context_tokens,
            "root": full,
            "parent": None if name == full else full,
        }
        for name in names
    ]


def _models(config: RuntimeConfig) -> Handler:
    async def models(_: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": _listed(config)})

    return models


def _one_model(config: RuntimeConfig) -> Handler:
    async def model(request: web.Request) -> web.StreamResponse:
        for listed in _listed(config):
            if request.match_info["name"] == listed["id"]:
                return web.json_response(listed)
        raise web.HTTPNotFound

    return model


def _live(service: Service) -> Handler:
    async def live(_: web.Request) -> web.StreamResponse:
        problem = service.backend.problem()
        return web.Response(status=500 if problem else 200, text=problem or "alive")

    return live


def _ready(service: Service) -> Handler:
    async def ready(_: web.Request) -> web.StreamResponse:
        if problem := service.backend.problem():
            return web.Response(status=503, text=problem)
        return web.Response(status=200 if service.phase is Phase.READY else 503, text=service.phase.value)

    return ready


def _metrics(service: Service) -> Handler:
    async def metrics(_: web.Request) -> web.StreamResponse:
        body = generate_latest(service.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return metrics
