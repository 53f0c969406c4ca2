"""`/v1/audio/transcriptions`: OpenAI's form, and its answers in five formats. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from types import MappingProxyType
from typing import Any, Literal

from inferfleet_runtime.api.errors import ApiError, unsupported
from inferfleet_runtime.api.media import check_model, check_names, one_of, prompt_of
from inferfleet_runtime.api.speech import MAX_FILE, Hearing, SpeechLimits, Transcript, compression_ratio
from inferfleet_runtime.api.subtitles import srt, vtt

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
_FORMATS: tuple[Format, ...] = ("json", "text", "srt", "verbose_json", "vtt")
_LISTS = ("include", "known_speaker_names", "known_speaker_references", "timestamp_granularities")
"""OpenAI's client writes their names with `[]`, as often as there are values."""
_KNOWN = frozenset(
    {*("language", "model", "prompt", "response_format", "stream", "temperature", "timestamp_granularities", "user")}
)
_SPEAKERS = "the model does not tell speakers apart"
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "chunking_strategy": "the model has windows of its own",
        "include": "only segments have a log probability, in verbose_json",
        "known_speaker_names": _SPEAKERS,
        "known_speaker_references": _SPEAKERS,
    }
)
_BOOLEANS: Mapping[str, bool] = MappingProxyType({"true": True, "1": True, "false": False, "0": False})


@dataclass(frozen=True)
class TranscriptionCall:
    """A request that may go to the engine, once its sound is decoded."""

    hearing: Hearing
    format: Format


def parse_transcription(fields: Mapping[str, Sequence[str]], limit: SpeechLimits) -> TranscriptionCall:
    """Check the texts of a form, of which each name may be given several times. Raises ApiError."""
    body = _flat(fields)
    check_names(body, _KNOWN, _REFUSED)
    check_model(body, limit)
    if _truth(body, "stream"):
        raise unsupported("stream", "the answer comes whole")
    if body.get("response_format") == "diarized_json":
        raise unsupported("response_format", _SPEAKERS)
    fmt = one_of(body, "response_format", _FORMATS, "json")
    _check_granularities(body, fmt)
    prompt = prompt_of(body) if body.get("prompt", "").strip() else ""
    hearing = Hearing(_language(body, limit), prompt, _temperature(body), timestamps=fmt not in ("json", "text"))
    return TranscriptionCall(hearing, fmt)  # type: ignore[arg-type]


def _flat(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, values in fields.items():
        plain = name.removesuffix("[]")
        if plain in _LISTS:
            body[plain] = [*body.get(plain, ()), *values]
        elif len(values) > 1:
            raise ApiError(400, f"the field `{name}` is given twice", param=name)
        elif values[0]:
            body[name] = values[0]
    return body


def _truth(body: Mapping[str, str], name: str) -> bool:
    value = body.get(name, "false").lower()
    if value not in _BOOLEANS:
        raise ApiError(400, f"`{name}` must be true or false", param=name, code="invalid_value")
    return _BOOLEANS[value]


def _check_granularities(body: Mapping[str, Any], fmt: str) -> None:
    param = "timestamp_granularities"
    asked = body.get(param, [])
    if "word" in asked:
        raise unsupported(param, "only segments have times here: ask for `segment`")
    if set(asked) - {"segment"}:
        raise ApiError(400, f"`{param}` must be segment", param=param, code="invalid_value")
    if asked and fmt != "verbose_json":
        raise unsupported(param, "needs `response_format` verbose_json")


def _language(body: Mapping[str, str], limit: SpeechLimits) -> str | None:
    code, known = body.get("language"), limit.listener.languages
    if code is None or code in known:
        return code
    shown = ", ".join(sorted(known))
    raise ApiError(400, f"`language` must be one of {shown}", param="language", code="invalid_value")


def _temperature(body: Mapping[str, str]) -> float | None:
    """0 is what OpenAI describes as choosing by itself."""
    if "temperature" not in body:
        return None
    try:
        value = float(body["temperature"])
    except ValueError:
        value = -1.0
    if not (isfinite(value) and 0 <= value <= 1):
        raise ApiError(400, "`temperature` must be a number from 0 to 1", param="temperature", code="invalid_value")
    return value or None


def no_file() -> ApiError:
    """Of a form without one."""
    return ApiError(400, "give the sound in the field `file` of the form, as a file", param="file")


def too_large() -> ApiError:
    """Of a file, or a whole form."""
    message = f"the file is larger than {MAX_FILE // 2**20} MiB: cut it, or compress it (FLAC, Opus, MP3)"
    return ApiError(413, message, param="file", code="file_too_large")


def transcription_answer(
    call: TranscriptionCall, transcript: Transcript, seconds: float, limit: SpeechLimits
) -> tuple[str, str]:
    """The body and its content type."""
    if call.format == "text":
        return transcript.text + "\n", "text/plain"
    if call.format == "srt":
        return srt(transcript.segments), "text/plain"
    if call.format == "vtt":
        return vtt(transcript.segments), "text/vtt"
    body: dict[str, Any] = {"text": transcript.text}
    if call.format == "verbose_json":
        body = _verbose(transcript, seconds, limit) | body
    return json.dumps(body | {"usage": {"type": "duration", "seconds": ceil(seconds)}}), "application/json"


def _verbose(transcript: Transcript, seconds: float, limit: SpeechLimits) -> dict[str, Any]:
    return {
        "task": "transcribe",
        "language": limit.listener.languages[transcript.language],
        "duration": round(seconds, 3),
        "segments": [
            {
                "id": number,
                "seek": s.seek,
                "start": s.start,
                "end": s.end,
                "text": s.text,
                "tokens": list(s.tokens),
                "temperature": s.temperature,
                "avg_logprob": s.avg_logprob,
                "compression_ratio": compression_ratio(s.text),
                "no_speech_prob": s.no_speech_prob,
            }
            for number, s in enumerate(transcript.segments)
        ],
    }
