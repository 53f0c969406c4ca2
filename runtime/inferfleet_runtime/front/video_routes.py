"""`/v1/videos`: jobs made, shown, downloaded and removed. An aiohttp shell around `Media`."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from inferfleet_runtime.api.caller import Caller, caller
from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.requests import decode
from inferfleet_runtime.api.videos import VideoCall, no_such_video, page_of, parse_video
from inferfleet_runtime.front.answering import answering, log_request
from inferfleet_runtime.front.forms import closing_files, form_of
from inferfleet_runtime.front.jobs import VideoJob
from inferfleet_runtime.front.media import Media
from inferfleet_runtime.front.record import log_defect

log = logging.getLogger(__name__)

VIDEOS = "/v1/videos"


def video_routes(media: Media) -> list[web.RouteDef]:
    """Of a pod whose model makes videos."""

    async def create(request: web.Request, seen: dict[str, Any]) -> web.StreamResponse:
        call = parse_video(await _body(request), media.limits, media.chance.seed())
        job = await _begin(media, call, _who(media, request))
        seen |= {"video": job.id, "frames": call.generation.shape.frames, "steps": call.generation.shape.steps}
        return web.json_response(_shown(media, job))

    async def show(request: web.Request) -> web.StreamResponse:
        return web.json_response(_shown(media, await _job(media, request)))

    async def content(request: web.Request) -> web.StreamResponse:
        return _download(media, await _job(media, request), request.query)

    async def remove(request: web.Request) -> web.StreamResponse:
        job = await _job(media, request)
        await _forget(media, [job])
        return web.json_response({"id": job.id, "object": "video.deleted", "deleted": True})

    async def index(request: web.Request) -> web.StreamResponse:
        return web.json_response(await _page(media, _who(media, request).tenant, request.query))

    return [
        web.post(VIDEOS, answering(media.service, VIDEOS, create)),
        web.get(VIDEOS, index),
        web.get(f"{VIDEOS}/{{id}}", show),
        web.get(f"{VIDEOS}/{{id}}/content", content),
        web.delete(f"{VIDEOS}/{{id}}", remove),
    ]


async def _body(request: web.Request) -> Any:
    """OpenAI's client sends a form, others JSON. Raises ApiError."""
    if request.content_type == "application/json":
        return decode(await request.read())
    form = await form_of(request, ApiError(413, "the body is too large: a video is asked for with words alone"))
    with closing_files(form):
        if len(form) != len(set(form)):
            raise ApiError(400, "a field of the form is given twice")
        return dict(form)


def _who(media: Media, request: web.Request) -> Caller:
    return caller(request.headers, media.service.requests)


async def _job(media: Media, request: web.Request) -> VideoJob:
    await _tidy(media)
    video = request.match_info["id"]
    job = media.jobs.get(video, _who(media, request).tenant)
    if job is None:
        raise no_such_video(video)
    return job


def _shown(media: Media, job: VideoJob) -> dict[str, Any]:
    return job.shown(media.jobs.bounds.seconds)


async def _page(media: Media, tenant: str, query: Mapping[str, str]) -> dict[str, Any]:
    await _tidy(media)
    limit, after, newest_first = page_of(query)
    try:
        jobs, more = media.jobs.page(tenant, limit, after, newest_first)
    except KeyError:
        raise no_such_video(after or "") from None
    return {
        "object": "list",
        "data": [_shown(media, job) for job in jobs],
        "first_id": jobs[0].id if jobs else None,
        "last_id": jobs[-1].id if jobs else None,
        "has_more": more,
    }


def _download(media: Media, job: VideoJob, query: Mapping[str, str]) -> web.StreamResponse:
    if query.get("variant", "video") != "video":
        raise unsupported("variant", "only the video itself is kept")
    if job.status != "completed":
        message = f"the video is {job.status}: there is nothing to download"
        raise ApiError(409, message, param="video_id", code="video_not_ready")
    headers = {"Content-Type": "video/mp4", "Content-Disposition": f'attachment; filename="{job.id}.mp4"'}
    return web.FileResponse(media.shelf.path(job.id), headers=headers)


async def _begin(media: Media, call: VideoCall, who: Caller) -> VideoJob:
    """A job that waits or runs, in a task of its own. Raises the 429 of a full queue."""
    await _tidy(media)
    if media.jobs.full():
        raise media.too_many()
    chance, model = media.chance, media.service.config.served_model_name
    job = VideoJob(chance.video_id(), model, who.tenant, call.generation, chance.wall())
    media.jobs.add(job)
    task = asyncio.create_task(_run(media, job, call, who), name=job.id)
    media.tasks.add(task)
    task.add_done_callback(media.tasks.discard)
    # it runs up to where it waits for its turn, or ends there because the queue is full
    await asyncio.sleep(0)
    if task.done() and job.refusal:
        media.jobs.remove(job.id)
        raise job.refusal
    return job


async def _run(media: Media, job: VideoJob, call: VideoCall, who: Caller) -> None:
    """The whole life of a job, to its end in words that its client can read."""
    arrived = media.service.now()
    seen: dict[str, Any] = {"outcome": "cancelled", "video": job.id}
    try:
        with media.service.handling():
            await _make(media, job, call, who)
        seen["outcome"] = "finished"
    except ApiError as error:
        seen |= _fail(media, job, error.code or error.type, error.message)
        if error.status == 429:  # at once, or later: a higher priority has taken its place
            job.refusal = error
            seen["outcome"] = "refused"
    except OSError as error:
        log.error("a video could not be kept", extra={"error": str(error)})
        seen |= _fail(media, job, "storage_failed", "the finished video could not be kept: the server's disk is full")
    except Exception as defect:
        log_defect(defect)
        seen |= _fail(media, job, "server_error", "an unexpected error of this server; its log says where")
    finally:
        log_request("job", media.service.now() - arrived, seen)


async def _make(media: Media, job: VideoJob, call: VideoCall, who: Caller) -> None:
    arrived = media.service.now()

    def heard(done: int) -> None:
        job.steps = done

    async with media.turn(call.work, who, arrived):
        job.status = "in_progress"
        made = await media.make(call.generation, heard)
    await _keep(media, job.id, made.content)
    job.bytes, job.status, job.ended = len(made.content), "completed", media.chance.wall()
    media.finished(who, arrived, media.limits.part(call.generation.shape), made.prompt_tokens)


async def _keep(media: Media, video: str, content: bytes) -> None:
    """Write the file to its end even if the job is removed meanwhile: who removes it waits, and then the file goes."""
    writing = asyncio.create_task(asyncio.to_thread(media.shelf.put, video, content))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise


def _fail(media: Media, job: VideoJob, code: str, message: str) -> dict[str, Any]:
    """What the log says of it."""
    job.status, job.ended, job.error = "failed", media.chance.wall(), (code, message)
    return {"outcome": "failed", "code": code}


async def _tidy(media: Media) -> None:
    """Keep within the bounds, whenever somebody asks; so nothing needs a clock of its own."""
    await _forget(media, media.jobs.surplus(media.chance.wall()))


async def _forget(media: Media, jobs: list[VideoJob]) -> None:
    """Remove jobs and their files, to the end even if who asked for it goes; what is not done is stopped."""
    names = [job.id for job in jobs]
    for name in names:
        media.jobs.remove(name)
    running = {task for task in media.tasks if task.get_name() in names}
    for task in running:
        task.cancel()
    if names:
        await asyncio.shield(_drop(media, names, running))


async def _drop(media: Media, names: list[str], running: set[asyncio.Task[None]]) -> None:
    if running:
        await asyncio.wait(running)
    await asyncio.to_thread(media.shelf.drop, names)
