"""A handler for any answer that comes whole: refusals, errors in OpenAI's shape, the drain, one line of log."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.front.pages import Handler
from inferfleet_runtime.front.record import log_defect
from inferfleet_runtime.front.service import Service

log = logging.getLogger(__name__)

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
"""What it puts into the dictionary is logged."""


def answering(service: Service, endpoint: str, answer: Answer) -> Handler:
    """A handler that refuses while the pod takes no requests, answers every error in OpenAI's shape, and logs once."""

    async def handle(request: web.Request) -> web.StreamResponse:
        seen: dict[str, Any] = {"outcome": "cancelled"}
        began = service.now()
        try:
            with service.handling():
                response = await _outcome(service, request, answer, seen)
                # written here and not by aiohttp later, so that a drain waits for it
                with suppress(ConnectionError):
                    await response.prepare(request)
                    await response.write_eof()
                return response
        finally:
            log_request(endpoint, service.now() - began, seen)

    return handle


async def _outcome(service: Service, request: web.Request, answer: Answer, seen: dict[str, Any]) -> web.StreamResponse:
    try:
        service.check_open()
        response = await answer(request, seen)
        seen["outcome"] = "finished"
        return response
    except ApiError as error:
        refusal = error
    except web.HTTPException as error:
        refusal = ApiError(error.status, f"{request.method} {request.path}: {error.reason}")
    except web.RequestPayloadError:
        refusal = ApiError(400, "the body is cut short or badly encoded")
    except ConnectionError:
        return web.Response()  # nobody reads it
    except Exception as defect:
        log_defect(defect)
        refusal = ApiError(500, "an unexpected error of this server; its log says where", "server_error")
    seen["outcome"] = "failed" if refusal.status >= 500 else "refused"
    seen |= {"status": refusal.status, "code": refusal.code or refusal.type}
    return web.json_response(refusal.body(), status=refusal.status, headers=refusal.headers)


def log_request(endpoint: str, seconds: float, fields: Mapping[str, Any]) -> None:
    """The one line of a request or a job, whatever became of it: sizes, times and codes, never text."""
    known = {name: value for name, value in fields.items() if value is not None}
    log.info("request", extra={"endpoint": endpoint, **known, "seconds": round(seconds, 4)})
