"""`inferfleet lint` from the command line: what it reads, prints and returns."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from inferfleet.__main__ import main
from inferfleet.lint.engine import INSTALL
from inferfleet.lint.lint import Report
from inferfleet.lint.report import FORMATS, summary
from inferfleet.lint.types import Finding, Position

CLASS = """\
apiVersion: inferfleet.io/v1alpha1
kind: WorkloadClass
metadata: {name: chat}
spec:
  traffic:
    inputTokens: {p50: 48, p95: 192}
    outputTokens: {p50: 64, p95: 256}
"""
MODEL = """\
apiVersion: inferfleet.io/v1alpha1
kind: Model
metadata: {name: demo, namespace: assistants}
spec:
  architecture: {preset: llama-3.2-1b}
  variants:
  - {name: f16, quantization: F16, source: {uri: "oci://inferfleet.local/models/demo:1"}}
  workloads:
  - {class: chat}
"""
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


class Said:
    """What a run printed and returned."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Write files, lint, and see."""
    monkeypatch.chdir(tmp_path)

    def call(files: dict[str, str | bytes], *argv: str, paths: Sequence[str] = (".",)) -> Said:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        status = main(["lint", *(part for path in paths for part in ("-f", path)), *argv])
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    return call


def test_right_files_are_clean(run: Any) -> None:
    said = run({"a/class.yaml": CLASS, "a/b/model.yml": MODEL, "other.json": json.dumps({"kind": "X"})})
    assert len(said.lines) == 1
    assert said.lines[0].startswith("3 files, 2 objects of Inferfleet, 1 other skipped: 0 errors, 0 warnings")
    assert said.status == 0


def test_the_summary_says_what_needs_the_stored_object() -> None:
    assert summary(Report((), 1, 2, 0, 1)) == (
        "1 file, 2 objects of Inferfleet: 0 errors, 0 warnings; not checked without the stored object: 1 rule about "
        "what may change"
    )


def test_an_error_names_file_line_object_and_field(run: Any) -> None:
    said = run({"m.yaml": OTHER + "---\n" + MODEL.replace("quantization: F16", "quantization: 16")})
    assert said.lines[0] == (
        'm.yaml:11: Model assistants/demo: spec.variants[0].quantization: Invalid value: "integer": '
        'spec.variants[0].quantization in body must be of type string: "integer"'
    )
    assert said.status == 1


def test_an_unknown_field_and_a_key_given_twice_are_strict_decoding_errors(run: Any) -> None:
    text = CLASS.replace("spec:\n", "spec:\n  objectiv: Cost\n  priority: 1\n  priority: 2\n  priority: 3\n")
    lines = run({"c.yaml": text}).lines
    assert lines[0] == 'c.yaml:5: WorkloadClass chat: strict decoding error: unknown field "spec.objectiv"'
    assert len(lines) == 3
    assert lines[1] == 'c.yaml:8: WorkloadClass chat: strict decoding error: duplicate field "spec.priority"'


def test_a_file_that_is_not_yaml_is_a_finding(run: Any) -> None:
    said = run({"bad.yaml": "a: [\n", "chart/templates/x.yaml": "a: {{ .Values.a }}\n", "latin.yaml": b"a: \xe4"})
    assert said.status == 1
    assert said.lines[0].startswith("bad.yaml:2: not YAML: ")
    assert "looks like a Helm template" in said.lines[1]
    assert said.lines[2] == "latin.yaml:1: not text in UTF-8"


def test_warnings_fail_only_where_that_is_wished(run: Any) -> None:
    files = {"m.yaml": MODEL.replace("class: chat", "class: unheard-of")}
    said = run(files)
    assert said.lines[0].startswith("m.yaml:9: warning: Model assistants/demo: ClassNotFound: WorkloadClass unheard-of")
    assert said.status == 0
    assert run(files, "--strict").status == 1


MISNAMED = [
    ("apiVersion: inferfleet.io/v1\nkind: Model", 'no matches for kind "Model" in version "inferfleet.io/v1"'),
    ("apiVersion: inferfleet.io/v1alpha1\nkind: Modle", 'no matches for kind "Modle"'),
    ("apiVersion: inferfleet.io/v1alpha1\nmetadata: {}", "Object 'Kind' is missing"),
    ("kind: WorkloadClass\nspec: {}", "apiVersion not set"),
]


@pytest.mark.parametrize(("text", "words"), MISNAMED)
def test_an_object_that_is_almost_ours_is_told(run: Any, text: str, words: str) -> None:
    said = run({"x.yaml": text})
    assert words in said.lines[0]
    assert said.status == 1


def test_another_groups_model_is_skipped(run: Any) -> None:
    said = run({"x.yaml": "apiVersion: example.com/v1\nkind: Model\nspec: 3\n"})
    assert said.lines == ["1 file, 0 objects of Inferfleet, 1 other skipped: 0 errors, 0 warnings"]


BARE = "- apiVersion: v1\n  kind: ConfigMap\n- apiVersion: inferfleet.io/v1alpha1\n  kind: Model\n"


@pytest.mark.parametrize("text", [BARE, OTHER + "---\n" + BARE, json.dumps([{"apiVersion": "v1", "kind": "Secret"}])])
def test_a_list_of_objects_is_told_since_kubectl_cannot_read_it(run: Any, text: str) -> None:
    said = run({"x.yaml": text})
    line = text.count("---") * 4 + 1
    assert said.lines[0].startswith(f"x.yaml:{line}: a list of objects, which kubectl cannot read: write them as")
    assert said.status == 1


def test_another_list_is_skipped(run: Any) -> None:
    said = run({"x.yaml": "- op: add\n  path: /spec\n- 3\n"})
    assert said.lines == ["1 file, 0 objects of Inferfleet, 1 other skipped: 0 errors, 0 warnings"]


def test_a_class_with_errors_is_still_there(run: Any) -> None:
    said = run({"c.yaml": CLASS.replace("p50: 48", "p50: 0"), "m.yaml": MODEL})
    assert "1 error, 0 warnings" in said.lines[-1]


def process(argv: list[str], stdin: str = "", **env: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "inferfleet", "lint", *argv]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=os.environ | env, check=False)


def test_standard_input_is_read() -> None:
    done = process(["-f", "-"], CLASS.replace("p50: 48", "p50: 0"))
    assert done.stdout.startswith("stdin:6: WorkloadClass chat: spec.traffic.inputTokens.p50: Invalid value: 0:")
    assert (done.returncode, done.stderr) == (1, "")


def test_a_file_is_read_once(run: Any) -> None:
    said = run({"a/c.yaml": CLASS}, paths=["a", "a/c.yaml", "."])
    assert said.lines[-1].startswith("1 file, 1 object of Inferfleet: 0 errors")


@pytest.mark.parametrize("path", ["nowhere", "empty"])
def test_a_path_with_nothing_to_read_is_a_mistake_of_usage(run: Any, path: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = run({}, paths=[path])
    assert said.status == 2
    assert said.err.startswith(f"error: {path}: ")
    assert not said.out


def test_without_the_evaluator_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "cel_expr_python").mkdir()
    (tmp_path / "cel_expr_python/__init__.py").write_text("raise ImportError('as if it were not installed')")
    done = process(["-f", "-"], CLASS, PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {INSTALL}\n")


def test_the_json_report_has_every_finding_and_the_counts(run: Any) -> None:
    said = run({"c.yaml": CLASS.replace("p95: 192", "p95: 1")}, "-o", "json")
    report = json.loads(said.out)
    assert report["findings"] == [
        {
            "file": "c.yaml",
            "line": 6,
            "column": 5,
            "severity": "error",
            "object": "WorkloadClass chat",
            "field": "spec.traffic.inputTokens",
            "message": "Invalid value: p95 must not be below p50",
        }
    ]
    assert report["summary"]["errors"] == 1


def test_github_gets_annotations(run: Any) -> None:
    said = run({"a,b.yaml": CLASS.replace("p95: 192", "p95: 1")}, "-o", "github")
    assert said.lines[0] == (
        "::error file=a%2Cb.yaml,line=6,col=5,title=WorkloadClass chat::"
        "spec.traffic.inputTokens: Invalid value: p95 must not be below p50"
    )


def test_a_finding_is_one_line_whatever_its_names_hold() -> None:
    finding = Finding("f\n.yaml", Position(1, 1), "error", "Model a\x1b[2J", "spec.\r", "100%\nof it")
    report = Report((finding,), 1, 1, 0, 0)
    assert FORMATS["text"](report).splitlines()[0] == "f\\n.yaml:1: Model a\\x1b[2J: spec.\\r: 100%\\nof it"
    assert FORMATS["github"](report).splitlines()[0] == (
        "::error file=f\\n.yaml,line=1,col=1,title=Model a\\x1b[2J::spec.\\r: 100%25\\nof it"
    )


def test_the_examples_have_no_errors(run: Any) -> None:
    examples = Path(__file__).parents[2] / "examples"
    said = run({}, paths=[str(examples)])
    assert not [line for line in said.lines[:-1] if ": warning: " not in line]
    assert said.status == 0
