"""Whether what a model makes of a function's header is Python. Asks an engine; the verdict itself is pure."""

import argparse
import ast
import codeop
import json
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai

from e2e.models.stdlib import reference
from e2e.models.stdlib.heldout import HEADERS, HERE, TEXT
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.llama_cpp import server_settings
from inferfleet_runtime.hosts.llama.process import command

MOST_TOKENS = 128
SLOTS = 8


@dataclass(frozen=True)
class Continuation:
    """What the model wrote after a header's line; `finished` when it ended by itself."""

    header: str
    text: str
    finished: bool


def headers(path: Path = HEADERS) -> list[str]:
    """The checked-in held-out headers."""
    return [each["header"] for each in json.loads(path.read_text(encoding="utf-8"))]


def ask(client: openai.OpenAI, model: str, asked: Sequence[str]) -> list[Continuation]:
    """Greedy continuations of at most `MOST_TOKENS`, `SLOTS` at a time."""

    def one(header: str) -> Continuation:
        (choice,) = client.completions.create(
            model=model, prompt=f"{header}\n", max_tokens=MOST_TOKENS, temperature=0.0
        ).choices
        return Continuation(header, choice.text, choice.finish_reason == "stop")

    with ThreadPoolExecutor(SLOTS) as pool:
        return list(pool.map(one, asked))


def function(continuation: Continuation) -> tuple[str, bool]:
    """(source, whole): header and body up to the first line at the header's margin. Pure.

    Without such a line a text that ended by itself is whole too; another one lacks its last line, which may
    be cut in the middle, and is the beginning of a function.
    """
    lines = continuation.text.split("\n")
    for number, line in enumerate(lines):
        if line and not line[0].isspace():
            return "\n".join([continuation.header, *lines[:number]]) + "\n", True
    kept = lines if continuation.finished else lines[:-1]
    return "\n".join([continuation.header, *kept]) + "\n", continuation.finished


def is_python(continuation: Continuation) -> bool:
    """Whether the function parses and does something. Pure.

    The beginning of a function must be one that could go on (the compiler finds it incomplete, not wrong), and
    what parses of it must do something. A docstring, `pass` and `...` are nothing.
    """
    source, whole = function(continuation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a string, say
        if whole:
            return _acts(source)
        return _could_go_on(source) and _acts(_longest(source))


def _could_go_on(source: str) -> bool:
    try:
        codeop.compile_command(source, symbol="exec")
    except (SyntaxError, ValueError, OverflowError):
        return False
    return True


def _longest(source: str) -> str:
    """The most whole lines from the start that parse; empty if there are none."""
    lines = source.splitlines(keepends=True)
    return next((text for end in range(len(lines), 0, -1) if _tree(text := "".join(lines[:end]))), "")


def _acts(source: str) -> bool:
    tree = _tree(source)
    if tree is None or not tree.body or not isinstance(tree.body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    return any(
        not isinstance(statement, ast.Pass)
        and not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        for statement in tree.body[0].body
    )


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


@contextmanager
def engine(path: Path, threads: int) -> Iterator[str]:
    """The URL of the runtime's engine with this file, for as long as it is needed. Starts and ends a process."""
    settings = server_settings(RuntimeConfig.model_validate(_configuration(path, threads)), path)
    with subprocess.Popen(command(settings), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        hello = process.stdout.readline()
        if not hello:
            raise ChildProcessError(f"{path}: the engine could not load it; its reason is above")
        try:
            yield f"{json.loads(hello)['address']}/v1"
        finally:
            process.stdin.close()  # at which it ends


def _configuration(path: Path, threads: int) -> dict[str, Any]:
    return {
        "servedModelName": "model",
        "workloadClass": "judge",
        "engine": "llama-cpp",
        "source": {"uri": path.resolve().as_uri()},
        "slots": SLOTS,
        "contextTokens": 512,
        "prefillChunkTokens": 256,
        "threads": threads,
        "prefixCache": "Off",
        "admission": {"maxQueuedTokens": 100_000},
        "benchmark": {"promptTokens": 32, "outputTokens": 32, "maxSeconds": 1},
        "drainSeconds": 0,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.models.stdlib.judge", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=HERE / "stdlib.gguf", help="a GGUF file (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of the engine (%(default)s)")
    parser.add_argument("--show", action="store_true", help="print the continuations")
    parser.add_argument("--perplexity", action="store_true", help="also on heldout.txt; F16 and F32 files only")
    arguments = parser.parse_args()
    with engine(arguments.model, arguments.threads) as url, openai.OpenAI(base_url=url, api_key="none") as client:
        found = ask(client, "model", headers())
    for continuation in found if arguments.show else ():
        print(f"--- {'python' if is_python(continuation) else 'NOT python'}\n{function(continuation)[0]}")
    print(f"{sum(map(is_python, found))} of {len(found)} headers go on as Python that parses and does something")
    if arguments.perplexity:
        token, byte = reference.perplexity(reference.read(arguments.model), TEXT.read_text(encoding="utf-8"))
        print(f"held-out perplexity {token:.3f} per token, {byte:.4f} per byte")


if __name__ == "__main__":
    main()
