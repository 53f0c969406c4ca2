"""Segments as subtitles: SubRip and WebVTT. Pure."""

from collections.abc import Iterable

from inferfleet_runtime.api.speech import Segment


def srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered, times with a comma."""
    return "".join(
        f"{number}\n{_time(s.start, ',')} --> {_time(s.end, ',')}\n{_line(s.text)}\n\n"
        for number, s in enumerate(segments, 1)
    )


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT."""
    cues = (f"{_time(s.start, '.')} --> {_time(s.end, '.')}\n{_line(s.text)}\n\n" for s in segments)
    return "WEBVTT\n\n" + "".join(cues)


def _time(seconds: float, point: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}{point}{milliseconds:03}"


def _line(text: str) -> str:
    """One line without an arrow: an empty line, or an arrow, would end the cue."""
    return " ".join(text.split()).replace("-->", "->")
