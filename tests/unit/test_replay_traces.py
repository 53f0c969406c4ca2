"""Traces of users: tables with tolerant headings, JSON lines, statistics; and what is said of those that are broken."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from inferfleet.replay.traces import Part, TraceError, read


def _file(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "time,input,output\n10,100,20\n12.5,200,30\n",
        "Arrival Time,Prompt Tokens,Completion-Tokens,user\n10,100,20,a\n12.5,200,30,b\n",
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.5000000,100,20\n2023-11-16 18:15:49,200,30\n",
        "output_tokens,input_tokens,timestamp\n30,200,12.5\n\n20,100,10\n",
        '{"timestamp": 10000, "input_length": 100, "output_length": 20, "hash_ids": []}\n'
        '{"timestamp": 12500, "input_length": 200, "output_length": 30}\n',
        "\ufefftime,input,output\r\n10,100,20\r\n12.5,200,30\r\n",
    ],
    ids=["plain", "other names", "Azure", "other order, unsorted", "Mooncake", "from a spreadsheet"],
)
def test_times_and_tokens_are_read_from(tmp_path: Path, text: str) -> None:
    trace = read(_file(tmp_path, text), Part()).trace
    assert trace.at.tolist() == [0.0, 2.5]
    assert trace.input.tolist() == [100, 200]
    assert trace.output.tolist() == [20, 30]


def test_prefixes_are_read_in_both_formats(tmp_path: Path) -> None:
    table = _file(tmp_path, "time,input,output,hash_ids\n0,2000,1,1 2 3\n1,10,1,\n")
    lines = _file(
        tmp_path, '{"timestamp": 0, "input_length": 2000, "output_length": 1, "hash_ids": [1, 2, 3]}', "m.jsonl"
    )
    assert read(table, Part()).trace.prefix == ((1, 2, 3), ())
    assert read(lines, Part()).trace.prefix == ((1, 2, 3),)


def test_a_packed_file_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"t,in_tok,out_tok\n0,1,2\n"))
    assert read(path, Part()).trace.output.tolist() == [2]


def test_a_request_without_tokens_counts_as_one_with_one(tmp_path: Path) -> None:
    trace = read(_file(tmp_path, "time,input,output\n0,0,0\n"), Part()).trace
    assert (trace.input.tolist(), trace.output.tolist()) == ([1], [1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("when,input,output\n1,2,3\n", r"trace.csv:1: no column for at \(at: at, time.*it has when, input, output"),
        ("time,input,output\n1,2,3\nsoon,2,3\n", r"trace.csv:3: the time is 'soon'; seconds or a time such as"),
        ("time,input,output\n1,two,3\n", r"trace.csv:2: input tokens are 'two', which is no number"),
        ("time,input,output\n1,2\n", r"trace.csv:2: output tokens are '', which is no number"),
        ("time,input,output\n1,2,-3\n", r"trace.csv:2: output tokens are -3; 0 to 100,000,000 are possible"),
        ("time,input,output\n1,2,nan\n", r"trace.csv:2: output tokens are nan"),
        ("time,input,output\ninf,2,3\n", r"trace.csv:2: the time is 'inf', which is no number"),
        ("time,input,output,prefix\n1,2,3,a b\n", r"trace.csv:2: the prefix has to be numbers of blocks"),
        ('{"timestamp": 1}\n', r"trace.csv:1: not a JSON object with timestamp \(milliseconds\)"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\nx\n', r"trace.csv:2: not a JSON object"),
        ("time,input,output\n", r"trace.csv: no requests"),
        ("", r"trace.csv:1: no column for at and input and output"),
    ],
)
def test_a_broken_trace_is_refused_with_file_line_and_reason(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read(_file(tmp_path, text), Part())


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(b"time,input,output\n\xff\xfe,1,1\n")
    with pytest.raises(TraceError, match="not text in UTF-8"):
        read(path, Part())
    path = tmp_path / "trace.csv.gz"
    path.write_bytes(gzip.compress(b"time,input,output\n" + b"1,1,1\n" * 1000)[:40])
    with pytest.raises(TraceError, match="not a whole gzip file"):
        read(path, Part())


def _steady(folder: Path, count: int = 2000) -> Path:
    return _file(folder, "time,input,output\n" + "".join(f"{i / 10},10,5\n" for i in range(count)))


def test_a_part_a_rate_and_a_speed_can_be_asked_for(tmp_path: Path) -> None:
    path = _steady(tmp_path)
    part = read(path, Part(start=50.0, end=100.0)).trace
    assert len(part) == 500
    assert part.at[0] == pytest.approx(0.0)
    thin = read(path, Part(rate=2.0))
    assert len(thin.trace) == pytest.approx(400, rel=0.15)
    assert "thinned from 10 requests/s" in thin.words
    assert len(read(path, Part(rate=20.0)).trace) == 2000, "it is never made denser"
    fast = read(path, Part(speed=4.0)).trace
    assert fast.at[-1] == pytest.approx(199.9 / 4)


def test_equal_seeds_thin_alike_and_others_do_not(tmp_path: Path) -> None:
    path = _steady(tmp_path)
    one, same, other = (read(path, Part(rate=2.0, seed=seed)).trace for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.at, same.at)
    assert one.at.tolist() != other.at.tolist()


def test_a_part_without_requests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no requests between --from and --until; it has 20"):
        read(_steady(tmp_path), Part(start=5000.0))


def _servegen(folder: Path, model: str = "m", windows: int = 12) -> None:
    levels = "p1,p5,p10,p25,p50,p75,p90,p95,p99"
    rates = "".join(f"1,{600 * i},{20 + i},1.5,Gamma,1,1\n" for i in range(windows))
    lengths = "".join(f"1,0,{field},{mean},1,{','.join([str(mean)] * 9)},{mean}\n" for field, mean in _MEANS)
    for name, head, rows in (
        ("trace", "client,window_start_s,rate_rps,cv,dist,param1,param2", rates),
        ("lengths", f"client,window_start_s,field,mean,std,{levels},max", lengths),
    ):
        (folder / f"language_{model}_{name}.csv.gz").write_bytes(gzip.compress(f"{head}\n{rows}".encode()))


_MEANS = (("input_tokens", 300), ("output_tokens", 40))


def test_requests_are_drawn_from_statistics_of_clients(tmp_path: Path) -> None:
    _servegen(tmp_path)
    found = read(tmp_path, Part(end=7200.0))
    assert len(found.trace) / 7200 == pytest.approx(10.0, rel=0.1)
    assert set(found.trace.input.tolist()) == {300}
    assert "drawn at 10 requests/s of a recorded mean of" in found.words
    part = read(tmp_path / "language_m_trace.csv.gz", Part(start=1800.0, end=3600.0, rate=2.0)).trace
    assert len(part) == pytest.approx(3600, rel=0.15)
    assert part.at[-1] < 1800


def test_a_folder_of_several_models_or_of_none_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"no \*_trace.csv.gz with a \*_lengths.csv.gz beside it"):
        read(tmp_path, Part())
    _servegen(tmp_path, "a")
    _servegen(tmp_path, "b")
    with pytest.raises(TraceError, match=r"several models; give one of language_a_trace.csv.gz, language_b_trace"):
        read(tmp_path, Part())
