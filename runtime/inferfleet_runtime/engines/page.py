"""The samples of some series in a page of Prometheus' text format. Pure: bytes to numbers.

A page of a vLLM pod is about 60 kB, of which the scaler needs a tenth; there are pages of hundreds of pods every few
seconds. So lines of other series are told by their name alone and not looked at: what is wrong with them is nobody's
concern. Lines of wanted series are checked in full, for a number that is wrong would move replicas.

The grammar is that of the text format 0.0.4 and of OpenMetrics 1.0, of which exemplars are skipped; `_created` is a
series like any other, and so is `_total`. Names in quotes are not read: no engine has names that need them.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*[ \t]*=[ \t]*"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_NUMBER = r"[-+.0-9a-zA-Z]+"
_LINE = re.compile(
    rf"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*"
    rf"(?:\{{[ \t]*((?:{_LABEL}[ \t]*(?:,[ \t]*{_LABEL}[ \t]*)*+,?)?)[ \t]*\}})?"
    rf"[ \t]*(?<=[ \t}}])({_NUMBER})(?:[ \t]+({_NUMBER}))?"
    rf"(?:[ \t]+\#[ \t]*\{{.*\}}[ \t]+{_NUMBER}(?:[ \t]+{_NUMBER})?)?[ \t\r]*"
)
"""Name, labels, value and time; possessive, so that no line takes more than linear time."""
_LABELS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_ESCAPE = re.compile(r'\\([\\n"])')
_END = b"# EOF"
_SHOWN = 200


class Sample(NamedTuple):
    """One line."""

    labels: Mapping[str, str]
    value: float
    """May be infinite or not a number."""


LabelSets = dict[bytes, Mapping[str, str]]
"""Labels by how they are written."""
MOST_LABEL_SETS = 20_000


def read(page: bytes, wanted: Mapping[bytes, str], known: LabelSets | None = None) -> dict[str, list[Sample]]:
    """Samples in their order by what `wanted` calls their series; absent ones are missing.

    Labels are the same at every scrape of a pod and of its like, and take most of the time: who reads pages again and
    again passes the same `known` each time, which is filled here.

    Raises ValueError for a page that ends within a line, a wanted line that is no sample, and for a page without
    wanted series that is no exposition: that of another server, say.
    """
    if not page.endswith((b"\n", _END)) and page:
        last = page.rpartition(b"\n")[2]
        raise ValueError(f"metrics are cut off within the line {_shown(last)}")
    known = {} if known is None else known
    if len(known) > MOST_LABEL_SETS:
        known.clear()  # of models that are long gone, mostly
    found: dict[str, list[Sample]] = {}
    for line in page.split(b"\n"):
        head = line.partition(b"{")[0]
        name = wanted.get(head)
        if name is None:
            # no labels, or blanks around the name
            first = head.split(None, 1)
            name = wanted.get(first[0]) if first else None
            if name is None:
                continue
        found.setdefault(name, []).append(_sample_again(line, len(head), known) or _sample(line, known))
    if not found:
        _check_first(page)
    return found


def _sample_again(line: bytes, start: int, known: LabelSets) -> Sample | None:
    """Of a line whose labels are known and that has nothing behind its number; None of another."""
    left, _, number = line.rpartition(b"} ")
    labels = known.get(left[start + 1 :])
    if labels is None or b"_" in number:  # which Python has in numbers, and nobody else
        return None
    try:
        return Sample(labels, float(number))
    except ValueError:
        return None


def _sample(line: bytes, known: LabelSets) -> Sample:
    match = _LINE.fullmatch(line.decode(errors="replace"))
    if match is None:
        raise ValueError(f"no sample of a metric: {_shown(line)}")
    inside, number, time = match.group(2, 3, 4)
    pairs = _LABELS.findall(inside) if inside else ()
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise ValueError(f"a label twice: {_shown(line)}")
    if inside and "\\" in inside:
        labels = {label: _ESCAPE.sub(_unescaped, value) for label, value in pairs}
    try:
        if time:
            float(time)
        sample = Sample(labels, float(number))
    except ValueError as error:
        raise ValueError(f"no number: {_shown(line)}") from error
    if inside:
        known[inside.encode()] = labels
    return sample


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def _check_first(page: bytes) -> None:
    """Whether what comes first is of the format. Raises ValueError."""
    first = next((line.strip() for line in page.split(b"\n") if line.strip()), b"#")
    if not first.startswith(b"#"):
        _sample(first, {})


def _shown(line: bytes) -> str:
    return repr(line[:_SHOWN].decode(errors="replace"))
