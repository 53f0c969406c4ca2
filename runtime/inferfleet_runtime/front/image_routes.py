"""`POST /v1/images/generations`. An aiohttp shell around `Media`."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from inferfleet_runtime.api.caller import caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.images import images_answer, parse_images
from inferfleet_runtime.api.requests import decode
from inferfleet_runtime.front.media import Media, log_request
from inferfleet_runtime.front.pages import Handler
from inferfleet_runtime.front.record import log_defect

IMAGES = "/v1/images/generations"
Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def image_routes(media: Media) -> list[web.RouteDef]:
    """Of a pod whose model makes pictures."""

    async def generate(request: web.Request, seen: dict[str, Any]) -> web.StreamResponse:
        arrived, who = media.service.now(), caller(request.headers, media.service.requests)
        call = parse_images(decode(await request.read()), media.limits, media.chance.seed())
        seen |= {"images": call.count, "steps": call.first.shape.steps}
        pictures = []
        async with media.turn(call.work, who, arrived):
            for asked in call.pictures():
                pictures.append(made := await media.make(asked))
        media.finished(who, arrived, call.tokens, made.prompt_tokens)
        body = images_answer(call, [p.content for p in pictures], made.prompt_tokens, int(media.chance.wall()))
        return web.json_response(body)

    return [web.post(IMAGES, answering(media, IMAGES, generate))]


def answering(media: Media, endpoint: str, answer: Answer) -> Handler:
    """A handler that refuses while the pod takes no requests, answers every error in OpenAI's shape, and logs once."""

    async def handle(request: web.Request) -> web.StreamResponse:
        seen: dict[str, Any] = {"outcome": "cancelled"}
        began = media.service.now()
        try:
            with media.service.handling():
                response = await _outcome(media, request, answer, seen)
                # written here and not by aiohttp later, so that a drain waits for it
                with suppress(ConnectionError):
                    await response.prepare(request)
                    await response.write_eof()
                return response
        finally:
            log_request(endpoint, media.service.now() - began, seen)

    return handle


async def _outcome(media: Media, request: web.Request, answer: Answer, seen: dict[str, Any]) -> web.StreamResponse:
    try:
        media.service.check_open()
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
