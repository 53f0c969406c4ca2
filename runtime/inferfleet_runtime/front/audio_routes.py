"""`POST /v1/audio/transcriptions`. An aiohttp shell around `Speech`."""

from contextlib import closing
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy

from inferfleet_runtime.api.caller import caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.api.speech import BYTES_PER_SECOND, MAX_FILE
from inferfleet_runtime.api.transcriptions import no_file, parse_transcription, too_large, transcription_answer
from inferfleet_runtime.front.answering import answering
from inferfleet_runtime.front.speech import Speech

TRANSCRIPTIONS = "/v1/audio/transcriptions"
Value = str | bytes | bytearray | web.FileField
Form = MultiDictProxy[Value]


def audio_routes(speech: Speech) -> list[web.RouteDef]:
    """Of a pod whose model writes down what is said."""

    async def transcribe(request: web.Request, seen: dict[str, Any]) -> web.StreamResponse:
        arrived, who = speech.service.now(), caller(request.headers, speech.service.requests)
        form = await _form(request)
        call = parse_transcription(_texts(form), speech.limits)
        # closed here: a client that goes while others are heard must not keep a file until then
        with closing(_file(form).file) as file:
            sound = await speech.sound(file)
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
    try:
        return await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise too_large() from None
    except ValueError as error:
        raise ApiError(400, f"the body is no form: {error}") from error


def _file(form: Form) -> web.FileField:
    """The one sound. Raises ApiError."""
    files = [value for value in form.getall("file", []) if isinstance(value, web.FileField)]
    if len(files) != 1:
        raise no_file()
    size = files[0].file.seek(0, 2)
    files[0].file.seek(0)
    if size > MAX_FILE:
        raise too_large()
    return files[0]


def _texts(form: Form) -> dict[str, list[str]]:
    """Every other field; a file under another name is one too, with its own name for a value."""
    names = [name for name in dict.fromkeys(form) if name != "file"]
    return {name: [_text(value) for value in form.getall(name)] for name in names}


def _text(value: Value) -> str:
    if isinstance(value, web.FileField):
        return value.filename
    return value if isinstance(value, str) else value.decode(errors="replace")
