"""`POST /v1/audio/transcriptions`. An aiohttp shell around `Speech`."""

from typing import Any

from aiohttp import web

from inferfleet_runtime.api.caller import caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.sound import BYTES_PER_SECOND
from inferfleet_runtime.api.speech import MAX_FILE
from inferfleet_runtime.api.transcriptions import no_file, parse_transcription, too_large, transcription_answer
from inferfleet_runtime.front.answering import answering
from inferfleet_runtime.front.forms import Form, Value, closing_files, form_of
from inferfleet_runtime.front.speech import Speech, size_of

TRANSCRIPTIONS = "/v1/audio/transcriptions"


def audio_routes(speech: Speech) -> list[web.RouteDef]:
    """Of a pod whose model writes down what is said."""

    async def transcribe(request: web.Request, seen: dict[str, Any]) -> web.StreamResponse:
        arrived, who = speech.service.now(), caller(request.headers, speech.service.requests)
        form = await _form(request)
        # closed here: what waits for others to be heard must not keep a file until then
        with closing_files(form):
            call = parse_transcription(_texts(form), speech.limits)
            sound = await speech.sound(_file(form).file, who, arrived)
        seconds = len(sound) / BYTES_PER_SECOND
        seen["audio_seconds"] = round(seconds, 3)
        work = speech.limits.work(seconds)
        async with speech.turn(work, who, arrived):
            heard = await speech.hear(call.hearing, sound)
        speech.finished(who, arrived, heard.tokens, work.prompt)
        text, kind = transcription_answer(call, heard.transcript, seconds, speech.limits)
        return web.Response(text=text, content_type=kind)

    return [web.post(TRANSCRIPTIONS, answering(speech.service, TRANSCRIPTIONS, transcribe))]


async def _form(request: web.Request) -> Form:
    """Files of it lie on the disk. Raises ApiError."""
    if request.content_type != "multipart/form-data":
        raise ApiError(400, "the body must be a form (multipart/form-data) with the sound in the field `file`")
    return await form_of(request, too_large())


def _file(form: Form) -> web.FileField:
    """The one sound. Raises ApiError."""
    files = [value for value in form.getall("file", []) if isinstance(value, web.FileField)]
    if not files:
        raise no_file()
    if len(files) > 1:
        raise ApiError(400, "the form has two files: one sound is heard at a time", param="file")
    if size_of(files[0].file) > MAX_FILE:
        raise too_large()
    return files[0]


def _texts(form: Form) -> dict[str, list[str]]:
    """Every other field. Raises ApiError."""
    names = [name for name in dict.fromkeys(form) if name != "file"]
    return {name: [_text(name, value) for value in form.getall(name)] for name in names}


def _text(name: str, value: Value) -> str:
    if isinstance(value, web.FileField):
        raise ApiError(400, f"`{name}` must be a text, not a file: the sound goes into `file`", param=name)
    return value if isinstance(value, str) else value.decode(errors="replace")
