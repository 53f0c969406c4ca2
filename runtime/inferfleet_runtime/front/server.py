"""The HTTP server of a model pod: the OpenAI API, health and metrics on one port. An aiohttp shell around `Service`."""

import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from inferfleet_runtime import contract
from inferfleet_runtime.api.requests import ApiError, Call, Endpoint, decode, parse
from inferfleet_runtime.front.record import Record, log_defect
from inferfleet_runtime.front.service import Phase, Service, relay, sse_error
from inferfleet_runtime.front.trace import Trace
from inferfleet_runtime.hosts.backend import BackendError

log = logging.getLogger(__name__)

_MAX_BODY = 32 * 2**20
_ENDPOINTS: tuple[Endpoint, ...] = ("/v1/chat/completions", "/v1/completions")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(service: Service) -> web.Application:
    """All routes. Serve it with `handler_cancellation`: that is how a disconnect frees a slot."""
    app = web.Application(middlewares=[_openai_errors], client_max_size=_MAX_BODY)
    for endpoint in _ENDPOINTS:
        app.router.add_post(endpoint, _generation(service, endpoint))
    app.router.add_get("/v1/models", _models(service))
    app.router.add_get(contract.LIVE_PATH, _live(service))
    app.router.add_get(contract.READY_PATH, _ready(service))
    app.router.add_get(contract.METRICS_PATH, _metrics(service))
    app.on_response_prepare.append(_closing(service))
    return app


def _closing(service: Service) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """While the pod goes, no connection is kept: its client would send the next request here too."""

    async def close(_: web.Request, response: web.StreamResponse) -> None:
        if service.phase in (Phase.DRAINING, Phase.CLOSED):
            response.headers["Connection"] = "close"
            response.force_close()

    return close


@web.middleware
async def _openai_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in the API's shape, those of aiohttp included."""
    try:
        return await handler(request)
    except (ApiError, web.HTTPException) as error:
        return _error(_as_api_error(request, error))


def _as_api_error(request: web.Request, error: ApiError | web.HTTPException) -> ApiError:
    if isinstance(error, ApiError):
        return error
    message = f"{request.method} {request.path}: {error.reason}"
    allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return ApiError(error.status, message, headers=allowed)


def _internal(defect: Exception) -> ApiError:
    log_defect(defect)
    return ApiError(500, "an unexpected error of this server; its log says where", "server_error")


def _error(error: ApiError) -> web.Response:
    return web.json_response(error.body(), status=error.status, headers=error.headers)


def _generation(service: Service, endpoint: Endpoint) -> Handler:
    async def generate(request: web.Request) -> web.StreamResponse:
        record = Record(endpoint, service.now())
        try:
            with service.handling():
                response = await _outcome(service, request, record)
                # written here and not by aiohttp later, so that a drain waits for it
                with suppress(ConnectionError):
                    await response.prepare(request)
                    await response.write_eof()
                return response
        finally:
            record.write(service.now())

    return generate


async def _outcome(service: Service, request: web.Request, record: Record) -> web.StreamResponse:
    """The answer, or the error that takes its place; `record` knows which."""
    try:
        service.check_open()
        call = parse(decode(await request.read()), record.endpoint, service.limits)
        record.stream = call.stream
        trace = record.trace = service.trace(call, record.arrived)
        if call.stream:
            return await _stream(service, request, call, record, trace)
        return await _answer(service, call, record, trace)
    except (ApiError, web.HTTPException) as error:
        refusal = _as_api_error(request, error)
    except web.RequestPayloadError:
        refusal = ApiError(400, "the body is cut short or badly encoded")
    except ConnectionError:
        return web.Response()  # nobody reads it
    except Exception as defect:
        refusal = _internal(defect)
    record.failed(refusal)
    return _error(refusal)


async def _answer(service: Service, call: Call, record: Record, trace: Trace) -> web.StreamResponse:
    async with service.begin(call, trace) as reply:
        payload = await reply.read()
        trace.answer(json.loads(payload))
    trace.finished()
    record.outcome = "finished"
    return web.Response(body=payload, content_type="application/json")


async def _stream(
    service: Service, request: web.Request, call: Call, record: Record, trace: Trace
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    async with service.begin(call, trace) as reply:
        await response.prepare(request)
        try:
            await relay(reply, trace, response.write, call.include_usage)
            record.outcome = _completed(trace)
            return response
        except ConnectionError:
            return response
        except BackendError as lost:
            log.warning("a stream broke", extra={"error": str(lost)})
            broken = ApiError(502, "the engine ended before its answer did", "server_error")
            record.outcome = "engine lost"
        except Exception as defect:
            broken = _internal(defect)
            record.outcome = "failed"
    # the status is sent already: the client learns it in the stream
    with suppress(ConnectionError):
        await response.write(sse_error(broken))
    return response


def _completed(trace: Trace) -> str:
    if trace.error is not None:
        return "engine error"
    trace.finished()
    return "finished"


def _models(service: Service) -> Handler:
    config = service.config
    model = {
        "id": config.served_model_name,
        "object": "model",
        "created": 0,
        "owned_by": "inferfleet",
        "max_model_len": config.context_tokens,
    }

    async def models(_: web.Request) -> web.StreamResponse:
        return web.json_response({"object": "list", "data": [model]})

    return models


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
