"""The pipelines of examples/ci: they are YAML, and their scripts do what they say over a real repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import make
import pytest
import yaml
from offline_worlds import Fleet, Obj, fleet, small

__all__ = ["fleet"]
ROOT = Path(__file__).parents[2]
CI = ROOT / "examples/ci"
AS_SOMEBODY = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@b",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@b",
}

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")


def git(folder: Path, *argv: str) -> None:
    environment = {**os.environ, **AS_SOMEBODY, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *argv], cwd=folder, check=True, capture_output=True, env=environment)


def change(fleet: Fleet, old: tuple[Obj, ...], new: tuple[Obj, ...]) -> Path:
    """A clone whose working tree is the change, and whose origin has what was before."""
    origin, clone = fleet.folder / "origin", fleet.folder / "clone"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    fleet.write("origin/fleet/fleet.yaml" if old else "origin/readme.yaml", *old)
    git(origin, "add", ".")
    git(origin, "commit", "-q", "-m", "before")
    git(fleet.folder, "clone", "-q", "origin", "clone")
    fleet.write("clone/fleet/fleet.yaml", *new)
    return clone


def run(script: str, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, **env}
    command = ["bash", "-e", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def github_steps() -> dict[str, str]:
    workflow: Any = yaml.safe_load((CI / "github-actions.yml").read_text())
    return {step["name"]: step["run"] for step in workflow["jobs"]["diff"]["steps"] if {"name", "run"} <= step.keys()}


@needs_git
def test_the_github_workflow_says_what_changes_and_lets_it_pass(fleet: Fleet) -> None:
    class_, pool, model = small()
    clone = change(fleet, (class_, pool, model), (class_, pool, make.pool("cheap", "0.01"), model))
    variables = {"GITHUB_STEP_SUMMARY": str(clone / "summary"), "GITHUB_ENV": str(clone / "env")}
    steps = github_steps()
    done = run(steps["plan both sides"], clone, BASE="main", **variables)
    assert done.returncode == 0, done.stderr
    assert "Moved: " in (clone / "summary").read_text()
    assert (clone / "env").read_text() == "status=2\n"
    assert '"ruleId": "Moved"' in (clone / "diff.sarif").read_text()
    assert (clone / "plan.html").read_text().startswith("<!DOCTYPE html>")
    refusing = steps["refuse what breaks"]
    assert [run(refusing, clone, status=status).returncode for status in ("0", "1", "2", "3")] == [0, 1, 0, 1]


@needs_git
def test_the_gitlab_job_fails_where_the_change_breaks_a_target(fleet: Fleet) -> None:
    _, pool, model = small()
    clone = change(fleet, small(), (make.workload_class(slo={"ttft": "1ms"}), pool, model))
    job: Any = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["fleet"]
    script = "\n".join(job["script"])
    done = run(script, clone, CI_MERGE_REQUEST_DIFF_BASE_SHA="origin/main", FLEET_TOKEN="")
    assert done.returncode == 1
    assert "Unplaced: " in done.stdout
    assert "Unplaced: " in (clone / "diff.md").read_text()


@needs_git
def test_the_first_request_of_a_repository_adds_its_fleet(fleet: Fleet) -> None:
    clone = change(fleet, (), small())
    variables = {"GITHUB_STEP_SUMMARY": str(clone / "summary"), "GITHUB_ENV": str(clone / "env")}
    done = run(github_steps()["plan both sides"], clone, BASE="main", **variables)
    assert done.returncode == 0, done.stderr
    assert "Added: " in (clone / "comment.md").read_text()


@needs_git
def test_a_side_that_cannot_be_read_ends_the_github_step_with_the_reason(fleet: Fleet) -> None:
    broken: Obj = {"apiVersion": make.API, "kind": "Pool", "metadata": {"name": "x"}}
    clone = change(fleet, (broken,), small())
    variables = {"GITHUB_STEP_SUMMARY": str(clone / "summary"), "GITHUB_ENV": str(clone / "env")}
    done = run(github_steps()["plan both sides"], clone, BASE="main", **variables)
    assert done.returncode == 1
    assert 'no matches for kind "Pool"' in done.stderr
    assert not (clone / "diff.sarif").exists()  # an empty one would be refused later, and hide the reason


@needs_git
def test_what_is_removed_is_marked_in_the_repository_and_not_in_the_checkout_beside_it(fleet: Fleet) -> None:
    fleet.write("before/fleet/fleet.yaml", *small(), make.model("other"))
    fleet.write("after/fleet/fleet.yaml", *small())
    found = fleet.run("diff", "before/fleet", "after/fleet", "-o", "sarif").json["runs"][0]["results"]
    (removed,) = [r for r in found if r["ruleId"] == "Removed"]
    (location,) = removed["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "after/fleet/fleet.yaml"
