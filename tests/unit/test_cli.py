"""The command line as a process: closed pipes, files that cannot be written, packages that are not installed."""

import errno
import os
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from inferfleet.__main__ import main

ROOT = Path(__file__).parents[2]
PRINTING = [
    ["crds"],
    ["classes"],
    ["catalog", "list"],
    ["reference"],
    ["lint", "-f", str(ROOT / "examples")],
    ["plan", "-f", str(ROOT / "examples/quickstart")],
]
INFERFLEET = [sys.executable, "-m", "inferfleet"]


@pytest.mark.parametrize("command", PRINTING, ids=lambda command: command[0])
def test_a_reader_that_leaves_early_is_no_error(command: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*INFERFLEET, *command], stdout=writing, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", PRINTING, ids=lambda command: command[0])
def test_a_full_disk_behind_standard_output_is_told_in_one_line(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*INFERFLEET, *command], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    words = os.strerror(errno.ENOSPC)
    assert (done.returncode, done.stderr) == (2, f"inferfleet {command[0]}: standard output: {words}\n")


@pytest.mark.parametrize("command", ["crds", "classes", "schemas"])
def test_a_folder_that_cannot_be_made_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file/below"):
        assert main([command, "--out", str(out)]) == 2
        assert capsys.readouterr().err == f"inferfleet {command}: {out}: {os.strerror(errno.ENOTDIR)}\n"
    assert main([command, "--out", "/proc/inferfleet"]) == 2
    assert capsys.readouterr().err == f"inferfleet {command}: /proc/inferfleet: {os.strerror(errno.ENOENT)}\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reference", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"inferfleet reference: {tmp_path}: {os.strerror(errno.EISDIR)}\n"
    assert main(["reference", "--out", "/dev/full"]) == 2
    assert capsys.readouterr().err == f"inferfleet reference: /dev/full: {os.strerror(errno.ENOSPC)}\n"


def test_the_folders_above_a_written_file_are_made(tmp_path: Path) -> None:
    assert main(["reference", "--out", str(tmp_path / "a/b/c.md")]) == 0
    assert (tmp_path / "a/b/c.md").read_text().startswith("# ")


def without(packages: set[str], *argv: str) -> "subprocess.CompletedProcess[str]":
    """As if these were not installed."""
    hidden = "".join(f"sys.modules[{name!r}] = None; " for name in sorted(packages))
    code = f"import sys; {hidden}from inferfleet.__main__ import main; sys.exit(main({list(argv)!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def of_extra(extra: str) -> set[str]:
    """Modules of an optional dependency, and of those that it names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found: set[str] = set()
    for requirement in extras[extra]:
        if requirement.startswith("inferfleet["):
            found |= {module for inner in requirement[11:-1].split(",") for module in of_extra(inner)}
        else:
            found.add(requirement.split(">")[0].replace("-", "_"))
    return {"yaml" if name == "pyyaml" else name for name in found}


EVERY = of_extra("operator") | of_extra("lint") | of_extra("plan")
COMMANDS = ("run", "plan", "diff", "explain", "snapshot", "cost", "crds", "catalog", "classes", "reference", "schemas")


@pytest.mark.parametrize("command", ["", *COMMANDS, "check", "lint"])
def test_help_needs_nothing_but_the_package(command: str) -> None:
    done = without(EVERY, *command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: inferfleet")


@pytest.mark.parametrize(
    ("argv", "extra"),
    [
        (["run", "--runtime-image=x:1"], "operator"),
        (["check"], "operator"),
        (["crds"], "lint"),
        (["catalog", "list"], "lint"),
        (["classes"], "lint"),
        (["reference"], "lint"),
        (["schemas", "--out", "/proc/x"], "lint"),
        (["lint", "-f", "-"], "lint"),
        (["plan", "-f", "-"], "plan"),
        (["explain", "demo", "-f", "-"], "plan"),
        (["explain", "demo"], "operator"),
        (["snapshot"], "operator"),
        (["cost"], "operator"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_package_that_is_not_there_is_named_with_what_to_install(argv: list[str], extra: str) -> None:
    done = without(EVERY, *argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"inferfleet {argv[0]}: needs the Python package ")
    assert done.stderr.endswith(f"pip install '.[{extra}]'\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", PRINTING, ids=lambda command: command[0])
def test_what_reads_and_prints_needs_the_lint_extra_alone(command: list[str]) -> None:
    needed = of_extra("plan" if command[0] == "plan" else "lint")
    done = without(EVERY - needed, *command)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["catalog", "check", "cost", "diff", "explain", "lint", "plan", "run", "snapshot"])
def test_help_says_what_the_exit_statuses_mean(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert "exit status: 0 " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "argv",
    [[], ["nonsense"], ["catalog"], ["catalog", "list", "gpus"], ["lint"], ["schemas"], ["check", "--seconds", "x"]],
    ids=" ".join,
)
def test_a_mistake_of_usage_is_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    assert "error: " in capsys.readouterr().err


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: none}}]
"""


def test_a_port_for_metrics_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        argv = [*INFERFLEET, "run", "--runtime-image=x:1", "--health-port=0", f"--metrics-port={port}"]
        env = os.environ | {"KUBECONFIG": str(tmp_path / "kubeconfig")}
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert '"msg":"cannot start: no metrics"' in done.stderr
    assert f'"port":{port}' in done.stderr
    assert "Traceback" not in done.stderr
