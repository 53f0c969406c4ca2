"""Results of a long benchmark are kept: what was done is not done again, unless something that it rests on changed."""

from pathlib import Path

from e2e.bench.autoscaler import jobs, ours
from e2e.bench.autoscaler.jobs import Ask
from e2e.bench.autoscaler.kept import kept, reached

CALLS: list[object] = []


def job(ask: Ask, *args: object) -> tuple[object, ...]:
    """Notes that it ran."""
    CALLS.append(args)
    return (ask.trace, *args)


def test_a_job_runs_once_for_the_same_arguments(tmp_path: Path) -> None:
    CALLS.clear()
    ask = Ask(tmp_path, "constant", quick=True)
    assert kept(tmp_path / "kept", job, ask, 1) == kept(tmp_path / "kept", job, ask, 1) == ("constant", 1)
    assert CALLS == [(1,)]


def test_another_argument_trace_or_length_is_another_job(tmp_path: Path) -> None:
    CALLS.clear()
    for trace, quick, arg in (("constant", True, 1), ("constant", True, 2), ("blind", True, 1), ("blind", False, 1)):
        kept(tmp_path / "kept", job, Ask(tmp_path, trace, quick), arg)
    assert len(CALLS) == 4


def test_other_data_make_another_result(tmp_path: Path) -> None:
    CALLS.clear()
    ask = Ask(tmp_path, "ramp", quick=True)
    measured = Ask(tmp_path, "azure_conv", quick=True)
    file = tmp_path / "azure_llm_2023/AzureLLMInferenceTrace_conv.csv"
    file.parent.mkdir()
    for text in ("a", "ab"):
        file.write_text(text)
        kept(tmp_path / "kept", job, ask)
        kept(tmp_path / "kept", job, measured)
    assert len(CALLS) == 3


def test_a_file_that_was_half_written_is_no_result(tmp_path: Path) -> None:
    CALLS.clear()
    ask = Ask(tmp_path, "constant", quick=True)
    kept(tmp_path, job, ask)
    (file,) = tmp_path.glob("*.pickle")
    file.rename(file.with_suffix(".part"))
    kept(tmp_path, job, ask)
    assert len(CALLS) == 2


def test_baselines_rest_on_the_simulator_and_not_on_the_law() -> None:
    theirs = {path.stem for path in reached(jobs.__name__)}
    mine = {path.stem for path in reached(ours.__name__)}
    assert {"run", "replica", "hpa", "traces"} <= theirs < mine
    assert {"law", "late", "operator_law"} <= mine - theirs
