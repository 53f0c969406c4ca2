"""The placement in a child of its own: it may die or overrun, and there is a plan all the same."""

import sys
from dataclasses import replace

import pytest

from inferfleet.placing.place import greedy_plan, place
from inferfleet.placing.process import place_apart
from inferfleet.placing.types import Demand, Option, Pool, Problem, Settings

FLEET = Problem(
    (Demand("a", 150), Demand("b", 40)),
    (Option("a@x", "x", {"a": 60.0}, 1.0), Option("ab@y", "y", {"a": 200.0, "b": 200.0}, 2.5)),
    (Pool("x"), Pool("y")),
)
SETTINGS = Settings(time_limit=30.0)
GREEDY_THEN = (
    "import sys, pickle; from inferfleet.placing.place import *; from inferfleet.placing.process import _say; "
)


async def test_a_child_answers_what_this_process_would() -> None:
    assert await place_apart(FLEET, SETTINGS, patience=120.0) == place(FLEET, SETTINGS)


async def test_a_child_that_dies_leaves_the_greedy_plan() -> None:
    command = (sys.executable, "-c", "raise SystemExit(3)")
    assert await place_apart(FLEET, SETTINGS, command=command) == greedy_plan(FLEET, SETTINGS)


async def test_a_child_that_overruns_is_ended() -> None:
    command = (sys.executable, "-c", "import time; time.sleep(600)")
    plan = await place_apart(FLEET, Settings(time_limit=0.1), patience=0.2, command=command)
    assert plan == greedy_plan(FLEET, Settings(time_limit=0.1))


async def test_what_a_child_said_before_it_died_stands() -> None:
    code = GREEDY_THEN + "q = pickle.load(sys.stdin.buffer); _say(sys.stdout.buffer, place(*q)); raise SystemExit(9)"
    assert await place_apart(FLEET, SETTINGS, command=(sys.executable, "-c", code)) == place(FLEET, SETTINGS)


async def test_without_a_child_there_is_the_greedy_plan() -> None:
    assert await place_apart(FLEET, SETTINGS, command=("/no/such/interpreter",)) == greedy_plan(FLEET, SETTINGS)


async def test_what_a_library_prints_does_not_mix_with_the_answers() -> None:
    code = (
        "import os, sys; from inferfleet.placing.process import own_output, serve; "
        "sink = own_output(); os.write(1, b'a banner'); serve(sys.stdin.buffer, sink)"
    )
    plan = await place_apart(FLEET, SETTINGS, patience=120.0, command=(sys.executable, "-c", code))
    assert plan == place(FLEET, SETTINGS)


async def test_a_contradiction_reaches_the_caller() -> None:
    broken = replace(FLEET, demands=(Demand("a", -1),))
    with pytest.raises(ValueError, match="demand a: load is -1"):
        await place_apart(broken, SETTINGS, patience=120.0)
