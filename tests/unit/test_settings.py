"""Flags and variables of `inferfleet run`: what is believed, and how the rest is refused."""

import argparse
import re
from collections.abc import Sequence

import pytest

from inferfleet import settings
from inferfleet.cli import run

NEEDED = ["--runtime-image", "x:1"]


def read(argv: Sequence[str] = (), **env: str) -> settings.Settings:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, env)
    return settings.from_arguments(parser.parse_args([*NEEDED, *argv]), env)


WRONG = [
    ("workers", "0", "must be a whole number from 1 to 1000"),
    ("workers", "-3", "must be a whole number from 1 to 1000"),
    ("workers", "foo", "must be a whole number from 1 to 1000"),
    ("workers", "2.5", "must be a whole number from 1 to 1000"),
    ("move-saving", "15", "must be a number from 0 to 1"),
    ("move-saving", "nan", "must be a number from 0 to 1"),
    ("scale-interval", "-1", "must be a number from 0.1 to 3600"),
    ("scale-interval", "inf", "must be a number from 0.1 to 3600"),
    ("metrics-port", "99999", "must be a whole number from 0 to 65535"),
    ("health-port", "-1", "must be a whole number from 0 to 65535"),
    ("runtime-image-pull-policy", "Sometimes", "must be Always, IfNotPresent or Never"),
    ("runtime-image", "", "must be an image"),
    ("log-level", "loud", "must be debug, info, warning or error"),
    ("fetch-env", "A=b", "must be a JSON object"),
    ("fetch-env", '{"A": 1}', "must be a JSON object with texts"),
    ("weights-cache-path", "models", "must be an absolute path"),
    ("weights-cache-bytes", "much", "is not a quantity"),
    ("weights-cache-bytes", "-1Gi", "is not a quantity"),
    ("priority-classes", "gold", "is not VALUE=NAME"),
]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
@pytest.mark.parametrize("by_variable", [False, True], ids=["flag", "variable"])
def test_what_cannot_be_obeyed_is_refused_by_flag_and_variable(
    name: str, value: str, words: str, by_variable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    variable = f"INFERFLEET_{name.upper().replace('-', '_')}"
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser, {variable: value} if by_variable else {})
    needed = [] if name == "runtime-image" else NEEDED
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(needed if by_variable else [*needed, f"--{name}={value}"])
    told = capsys.readouterr().err
    assert f"argument --{name}: {value!r}" in told
    assert words in told
    assert variable in told


@pytest.mark.parametrize(("text", "on"), [("", False), ("0", False), ("No", False), ("1", True), ("True", True)])
def test_a_switch_is_turned_by_its_variable(text: str, on: bool) -> None:
    assert read(INFERFLEET_PAUSE_MOVES=text).pause_moves is on
    assert read(INFERFLEET_NO_LEADER_ELECTION=text).leader_election is not on


def test_two_caches_at_once_are_refused_with_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    run.add(parser.add_subparsers())
    args = parser.parse_args(["run", *NEEDED, "--weights-cache-path=/models", "--weights-cache-claim=models"])
    with pytest.raises(SystemExit, match="2"):
        args.call(args)
    assert "--weights-cache-path or --weights-cache-claim" in capsys.readouterr().err
    assert not settings.contradiction(read(["--weights-cache-claim=models"]))
    assert not settings.contradiction(read(["--weights-cache-path=/models"]))


def test_a_switch_is_not_off_because_its_variable_is_not_understood(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read(INFERFLEET_PAUSE_MOVES="on")
    told = capsys.readouterr().err
    assert re.search("--pause-moves: 'on': must be true or false .*INFERFLEET_PAUSE_MOVES", told)


def test_a_flag_counts_more_than_its_variable() -> None:
    assert read(["--workers", "3"], INFERFLEET_WORKERS="nonsense").workers == 3
    assert read(["--pause-moves"], INFERFLEET_PAUSE_MOVES="false").pause_moves is True


def test_bounds_themselves_are_allowed() -> None:
    found = read(["--workers=1", "--move-saving=0", "--metrics-port=0", "--health-port=65535"])
    assert (found.workers, found.move_saving, found.metrics_port, found.health_port) == (1, 0.0, 0, 65535)


def test_a_level_may_be_written_in_capitals() -> None:
    assert read(["--log-level", "INFO"]).log_level == "info"


def test_without_flags_the_defaults_hold() -> None:
    assert read() == settings.Settings(runtime_image="x:1")


def test_help_shows_a_default_with_a_percent_sign(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read(["--help"], INFERFLEET_CATALOG="/etc/100%d")
    assert "/etc/100%d" in capsys.readouterr().out
