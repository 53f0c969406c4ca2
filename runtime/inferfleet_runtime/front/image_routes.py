"""`POST /v1/images/generations`. An aiohttp shell around `Media`."""

from typing import Any

from aiohttp import web

from inferfleet_runtime.api.caller import caller
from inferfleet_runtime.api.images import images_answer, parse_images
from inferfleet_runtime.api.requests import decode
from inferfleet_runtime.front.answering import answering
from inferfleet_runtime.front.media import Media

IMAGES = "/v1/images/generations"


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
        media.finished(who, arrived, call.count * media.limits.part(call.first.shape), made.prompt_tokens)
        body = images_answer(call, [p.content for p in pictures], made.prompt_tokens, int(media.chance.wall()))
        return web.json_response(body)

    return [web.post(IMAGES, answering(media.service, IMAGES, generate))]
