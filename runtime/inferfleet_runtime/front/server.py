"""The HTTP server of a model pod: the OpenAI API, health and metrics on one port. An aiohttp shell around `Service`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType

from aiohttp import web

from inferfleet_runtime.api.caller import Caller, caller
from inferfleet_runtime.api.calls import Call, Endpoint, Limits
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.requests import decode, parse
from inferfleet_runtime.api.streams import Outgoing
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.front.pages import Handler, pages
from inferfleet_runtime.front.record import Record, log_defect
from inferfleet_runtime.front.service import Phase, Service, relay
from inferfleet_runtime.front.trace import Trace

_MAX_BODY = 32 * 2**20
_LARGE = 2**20
_MOST_BYTES_PER_TOKEN = 64
"""Of a body: many times what text takes, escaped as JSON may be."""
_ENDPOINTS: Mapping[str, tuple[Endpoint, ...]] = MappingProxyType(
    {
        "Text": ("/v1/chat/completions", "/v1/completions", "/v1/responses"),
        "Embedding": ("/v1/embeddings",),
    }
)
"""What is served of a modality here; the media have routes of their own."""
_NOWHERE = ("/v1/audio/translations", "/v1/audio/speech")
"""What no bundled engine does."""
_ELSEWHERE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **_ENDPOINTS,
        "Audio": ("/v1/audio/transcriptions", *_NOWHERE),
        "Image": ("/v1/images/generations", "/v1/images/edits"),
        "Video": ("/v1/videos",),
    }
)


def application(service: Service, routes: Iterable[web.RouteDef] = ()) -> web.Application:
    """All routes; `routes` are those of a modality that has its own.

    Serve it with `handler_cancellation`: that is how a disconnect frees a slot.
    """
    app = web.Application(middlewares=[_openai_errors], client_max_size=largest_body(service.config))
    modality, own = service.config.modality or "Text", list(routes)
    for endpoint in _ENDPOINTS.get(modality, ()):
        own.append(web.post(endpoint, _generation(service, endpoint)))
    taken = {route.path for route in own}
    app.add_routes([*own, *pages(service)])
    for other, paths in _ELSEWHERE.items():
        for path in paths:
            if path not in taken:
                app.router.add_post(path, _served_elsewhere(service, other))
    app.on_response_prepare.append(_closing(service))
    return app


def largest_body(config: RuntimeConfig) -> int:
    """Bytes. One text that could not fit the context is not even read; texts to embed, or a picture, may be more."""
    if (config.modality or "Text") != "Text":
        return _MAX_BODY
    return min(_MAX_BODY, _LARGE + _MOST_BYTES_PER_TOKEN * config.context_tokens)


def _served_elsewhere(service: Service, modality: str) -> Handler:
    has = service.config.modality or "Text"

    async def refuse(request: web.Request) -> web.StreamResponse:
        message = (
            f"{request.path} needs a model of the modality {modality}; {service.config.served_model_name} is {has}"
        )
        if request.path in _NOWHERE:
            message = f"{request.path}: no bundled engine of this release translates or speaks"
        raise ApiError(404, message, code="unsupported_endpoint")

    return refuse


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
        who = caller(request.headers, service.requests)
        call = await _call(await request.read(), record.endpoint, service.limits)
        record.stream = call.stream
        who = who.waiting_for_others(service.requests) if call.flexible else who
        trace = record.trace = service.trace(call, who, record.arrived)
        if call.stream:
            return await _stream(service, request, call, who, record, trace)
        return await _answer(service, call, who, record, trace)
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


async def _call(raw: bytes, endpoint: Endpoint, limit: Limits) -> Call:
    """A large body is checked in a thread: streams go on between its steps."""

    def checked() -> Call:
        return parse(decode(raw), endpoint, limit)

    return await asyncio.to_thread(checked) if len(raw) > _LARGE else checked()


async def _answer(service: Service, call: Call, who: Caller, record: Record, trace: Trace) -> web.StreamResponse:
    async with service.begin(call, who, trace) as reply:
        raw = await reply.read()
        payload = json.loads(raw)
        trace.answer(payload)
    trace.finished()
    record.outcome = "finished"
    return web.Response(body=Outgoing(call).answer(raw, payload), content_type="application/json")


async def _stream(
    service: Service, request: web.Request, call: Call, who: Caller, record: Record, trace: Trace
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    outgoing = Outgoing(call)
    try:
        async with service.begin(call, who, trace) as reply:
            await response.prepare(request)
            await relay(reply, trace, response.write, outgoing.event)
        record.outcome = _ended(trace)
        return response
    except ConnectionError:
        record.outcome = _ended(trace)
        return response
    except asyncio.CancelledError:
        record.outcome = _ended(trace)
        raise
    except Exception as error:
        if not response.prepared:
            raise
        broken = error if isinstance(error, ApiError) else _internal(error)
    # the status is sent already: the client learns it in the stream
    record.broke(broken)
    with suppress(ConnectionError):
        await response.write(outgoing.error(broken))
    return response


def _ended(trace: Trace) -> str:
    """What became of a stream. Clients leave at the last event, a moment before the engine's connection has ended."""
    if trace.error is not None:
        return "engine error"
    if trace.usage is None:
        return "cancelled"
    trace.finished()
    return "finished"
