"""The placement in a process of its own, which may die or overrun and still leaves a plan. Runs a child.

The child is a fresh interpreter: nothing of the operator's state, threads or sockets goes along, and a solver that
never returns is ended without harm. It answers twice, the greedy plan at once and then the better.
"""

import asyncio
import gc
import os
import pickle
import sys
from contextlib import suppress
from typing import BinaryIO

from inferfleet.placing.place import greedy_plan, plans
from inferfleet.placing.types import Plan, Problem, Settings

START = 60.0
"""Seconds beyond the solver's time limit: to start the interpreter, list the patterns of 5,000 models, hand over."""
COMMAND = (sys.executable, "-m", "inferfleet.placing.process")


async def place_apart(
    problem: Problem, settings: Settings, *, patience: float = START, command: tuple[str, ...] = COMMAND
) -> Plan:
    """The plan of a child process; what it had when it died or overran, or else the greedy plan of this process.

    ValueError for a problem that contradicts itself, as of `place`.
    """
    answers: list[Plan | ValueError] = []
    with suppress(OSError):  # it could not be started, died or overran: what it had answered by then stands
        await _ask(command, pickle.dumps((problem, settings)), answers, settings.time_limit + patience)
    last = answers[-1] if answers else await asyncio.to_thread(greedy_plan, problem, settings)
    if isinstance(last, ValueError):
        raise last
    return last


async def _ask(command: tuple[str, ...], question: bytes, answers: list[Plan | ValueError], patience: float) -> None:
    """Collects what a child answers. OSError where none can be started, and for one that hangs up or overruns."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        await asyncio.wait_for(_talk(child, question, answers), patience)
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()  # to `wait` alone never ends while a full buffer hides the end of its output


async def _talk(child: asyncio.subprocess.Process, question: bytes, answers: list[Plan | ValueError]) -> None:
    assert child.stdin
    assert child.stdout
    child.stdin.write(question)
    child.stdin.write_eof()
    try:
        while True:
            length = int.from_bytes(await child.stdout.readexactly(8), "big")
            answers.append(pickle.loads(await child.stdout.readexactly(length)))  # noqa: S301 - our own child
    except asyncio.IncompleteReadError:
        return  # it has said all, or died


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """The child: one question, then every better answer as it is found."""
    gc.disable()  # it makes no cycles and ends soon; to look for them among millions of tuples is only slow
    problem, settings = pickle.load(source)  # noqa: S301 - from the parent
    try:
        for plan in plans(problem, settings):
            _say(sink, plan)
    except ValueError as error:
        _say(sink, error)


def own_output() -> BinaryIO:
    """Standard output for answers alone: what a library prints there goes to standard error instead."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink


def _say(sink: BinaryIO, answer: Plan | ValueError) -> None:
    message = pickle.dumps(answer)
    sink.write(len(message).to_bytes(8, "big") + message)
    sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, own_output())
