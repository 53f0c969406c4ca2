"""Samples of wanted series out of a page, as prometheus_client's parser finds them: on adversarial pages, too."""

from collections.abc import Mapping
from contextlib import suppress
from math import inf, isnan

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from inferfleet_runtime.engines.page import MOST_LABEL_SETS, LabelSets, Sample, read

NAMES = ("a_total", "vllm:b", "b", "b_bucket", "b_total", "vllm:bb")
WANTED = {b"a_total": "a_total", b"vllm:b": "vllm:b", b"b_bucket": "b_bucket"}
Found = dict[str, list[tuple[Mapping[str, str], float]]]


def theirs(page: bytes) -> Found:
    """What prometheus_client finds of the wanted names."""
    found: Found = {}
    for family in text_string_to_metric_families(page.decode(errors="replace")):
        for sample in family.samples:
            if sample.name.encode() in WANTED:
                found.setdefault(sample.name, []).append((dict(sample.labels), float(sample.value)))
    return found


def ours(page: bytes, known: LabelSets | None = None) -> Found:
    """The same of ours."""
    found = read(page, WANTED, known)
    return {name: [(dict(s.labels), s.value) for s in samples] for name, samples in found.items()}


def comparable(found: Found) -> dict[str, list[tuple[list[tuple[str, str]], str]]]:
    """Not a number is itself here."""
    return {name: [(sorted(labels.items()), repr(value)) for labels, value in each] for name, each in found.items()}


blanks = st.sampled_from([" ", "  ", "\t", " \t"])
maybe_blanks = st.sampled_from(["", "", " ", "\t"])
numbers = st.one_of(
    st.floats().map(repr),
    st.integers(-(10**12), 10**12).map(str),
    st.sampled_from(["NaN", "+Inf", "-Inf", "Inf", "inf", "nan", "1e3", "1E-07", "+4", ".5", "5.", "1.5e+300"]),
)
label_names = st.sampled_from(["le", "engine", "model_name", "finished_reason", "l3"])
_PIECES = ["a", "1", "/", "=", ",", "{", "}", "#", " ", ".", '"', "\\", "\n", "le=", '",le="', "é", "\u2028"]
raw_values = st.lists(st.sampled_from(_PIECES) | st.characters(codec="utf-8", min_codepoint=32), max_size=8).map(
    "".join
)


def quoted(text: str) -> str:
    """As a label's value is written."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


@st.composite
def label_sets(draw: st.DrawFn) -> str:
    """Between the name and the value, with the blanks and commas that the format allows."""
    pairs = draw(st.dictionaries(label_names, raw_values, max_size=4))
    if not pairs and draw(st.booleans()):
        return ""
    inside = f",{draw(maybe_blanks)}".join(
        f"{name}{draw(maybe_blanks)}={draw(maybe_blanks)}{quoted(value)}" for name, value in pairs.items()
    )
    comma = "," if pairs and draw(st.booleans()) else ""
    return f"{draw(maybe_blanks)}{{{draw(maybe_blanks)}{inside}{comma}{draw(maybe_blanks)}}}"


@st.composite
def sample_lines(draw: st.DrawFn) -> str:
    """A line of any series."""
    line = f"{draw(maybe_blanks)}{draw(st.sampled_from(NAMES))}{draw(label_sets())} {draw(numbers)}"
    line += draw(st.sampled_from(["", "", " 1395066363000", " -3.5"]))
    line += draw(st.sampled_from(["", "", ' # {trace_id="x}y"} 0.67', " # {} 1 1520879607.789"]))
    return line + draw(st.sampled_from(["", " ", "\r"]))


comments = st.sampled_from(
    ["", "# EOF", "#", "# HELP vllm:b Of requests {in} all.", "# TYPE vllm:b gauge", "# TYPE a_total counter",
     "# TYPE b histogram", "# a_total 5", " # vllm:b 3", "# HELP b le=\\n\"", "#vllm:b 7"]
)  # fmt: skip


@settings(max_examples=200)
@given(lines=st.lists(sample_lines() | comments, max_size=12))
def test_a_page_gives_the_samples_that_the_reference_parser_finds(lines: list[str]) -> None:
    page = "".join(f"{line}\n" for line in lines).encode()
    known: LabelSets = {}
    for _ in range(2):  # with labels that are new and with those that are known
        assert comparable(ours(page, known)) == comparable(theirs(page))


@settings(max_examples=300)
@given(line=sample_lines(), at=st.integers(0, 80), cut=st.integers(0, 3), put=st.sampled_from(list('",={}\\ #0a')))
@example(line='b_bucket{le="1"} 5', at=14, cut=1, put="")
@example(line='b_bucket{le="1",engine="2"} 5', at=15, cut=8, put=',le="')
@example(line='vllm:b{a="1",b="2"} 5', at=12, cut=1, put="")
@example(line='vllm:b{a="1"} 10', at=15, cut=0, put="_")
@example(line='vllm:b{a="1"} 0', at=15, cut=0, put="x1")
@example(line='vllm:b{a="1"} 5', at=12, cut=0, put='} 3 # {b="1"')
def test_no_line_is_taken_for_another_number_than_the_reference_parser_reads(
    line: str, at: int, cut: int, put: str
) -> None:
    assume("# {" not in line)  # exemplars are not looked at
    page = f"{line[:at]}{put}{line[at + cut :]}\n".encode()
    known: LabelSets = {}
    ours(f"{line}\n".encode(), known)
    try:
        mine = comparable(ours(page, known))
    except ValueError:
        return  # it may refuse more: such a pod counts as silent
    if mine:
        assert mine == comparable(theirs(page))


@given(page=st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(page: bytes) -> None:
    with suppress(ValueError):
        assert all(isinstance(value, float) for each in ours(page).values() for _, value in each)


@given(lines=st.lists(sample_lines(), min_size=1, max_size=4), data=st.data())
def test_a_page_that_ends_within_a_line_is_refused(lines: list[str], data: st.DataObject) -> None:
    page = "".join(f"{line}\n" for line in lines).encode()
    cut = page[: data.draw(st.integers(1, len(page) - 1))]
    if not cut.endswith((b"\n", b"# EOF")):
        with pytest.raises(ValueError, match="cut off within the line"):
            ours(cut)


def test_labels_with_escapes_and_what_looks_like_labels_in_them_stay_what_they_are() -> None:
    page = b'vllm:b{model_name="a\\"b\\\\,le=\\"9\\"}",x=",le=",le="0.5"} 3\n'
    (sample,) = read(page, WANTED)["vllm:b"]
    assert sample == Sample({"model_name": 'a"b\\,le="9"}', "x": ",le=", "le": "0.5"}, 3.0)


def test_bytes_that_are_no_text_are_replaced_and_hide_no_number() -> None:
    (sample,) = read(b'vllm:b{model_name="\xff\xfe"} 3\n', WANTED)["vllm:b"]
    assert sample == Sample({"model_name": "\ufffd\ufffd"}, 3.0)


def test_numbers_that_are_none_are_left_to_who_reads_them() -> None:
    found = read(b"vllm:b NaN\nvllm:b +Inf\n", WANTED)["vllm:b"]
    assert isnan(found[0].value)
    assert found[1].value == inf


def test_series_that_are_created_or_begin_alike_are_others() -> None:
    page = b"vllm:b_created 1.7e9\nvllm:bb 3\nvllm:b_total 4\na_total 5\na 6\n# EOF"
    assert read(page, WANTED) == {"a_total": [Sample({}, 5.0)]}


@pytest.mark.parametrize("page", [b"<html>\n", b'{"a": 1}\n', b"[]\n", b"\n404 page not found\n", b"\0 x\n"])
def test_another_servers_answer_is_no_page(page: bytes) -> None:
    with pytest.raises(ValueError, match=r"no sample of a metric|no number"):
        read(page, WANTED)


@pytest.mark.parametrize("page", [b"", b"\n", b"# TYPE c gauge\n", b"c 1\n", b"\r\n# EOF\r\n"])
def test_a_page_without_wanted_series_has_none(page: bytes) -> None:
    assert read(page, WANTED) == {}


@pytest.mark.parametrize(
    "line",
    ["vllm:b", "vllm:b{", 'vllm:b{a="1"', 'vllm:b{a="1} 3', "vllm:b x", "vllm:b 1 x", "vllm:b{a=1} 3", "vllm:b 1_0",
     'vllm:b{le="1",le="2"} 3', 'vllm:b{a="1"b="2"} 3', 'vllm:b{,,} 3', "vllm:b 1 2 3", "vllm:b \u0661"],
)  # fmt: skip
def test_a_wanted_line_that_is_no_sample_is_refused_and_shown(line: str) -> None:
    with pytest.raises(ValueError, match="vllm:b"):
        read(f"# TYPE vllm:b gauge\n{line}\n".encode(), WANTED)


def test_a_long_line_of_nonsense_takes_no_longer_than_its_length() -> None:
    page = b"vllm:b{" + b'a="\\\\",' * 20_000 + b"\n"
    with pytest.raises(ValueError, match="no sample"):
        read(page, WANTED)


def test_label_sets_are_not_remembered_without_end() -> None:
    known: LabelSets = {}
    lines = (f'vllm:b{{pod="{number}"}} {number}\n' for number in range(MOST_LABEL_SETS + 1))
    read("".join(lines).encode(), WANTED, known)
    assert read(b'vllm:b{pod="x"} 7\n', WANTED, known) == {"vllm:b": [Sample({"pod": "x"}, 7.0)]}
    assert len(known) == 1
