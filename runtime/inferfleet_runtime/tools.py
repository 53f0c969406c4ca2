"""Commands that work on files alone, outside of a model pod: `evaluate`, `importance`, and `quantize` with --source.

Like the others, each imports what it needs when it runs.
"""

import argparse
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inferfleet_runtime.errors import ConfigError

Tool = Callable[[argparse.Namespace], None]


def add(commands: Any) -> None:
    """Declare `evaluate` and `importance` in argparse's collection of commands."""
    text = "measure what quantized files lose, and gain, on text that the model has not seen"
    _add_evaluate(commands.add_parser("evaluate", help=text, description=_sentence(text)))
    text = "measure which weights matter on a text, for types below three bits"
    _add_importance(commands.add_parser("importance", help=text, description=_sentence(text)))


def add_quantize(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments with which `quantize` needs no configuration."""
    parser.description = _sentence("make the served file from the fetched one, or any file with --source")
    parser.add_argument("--source", type=Path, help="a GGUF file in F16, BF16 or F32; then --target and --type, too")
    parser.add_argument("--target", type=Path, help="the GGUF file to write")
    parser.add_argument("--type", help="such as Q8_0, Q4_K_M or IQ4_XS; a wrong one lists them all")
    parser.add_argument("--importance", type=Path, help="an importance matrix, as the command `importance` writes one")
    _add_threads(parser)


def wanted(arguments: argparse.Namespace) -> Tool | None:
    """The tool that is asked for; None: a command of a model pod. Raises ConfigError where half of it is given."""
    if arguments.command == "quantize":
        given = [arguments.source, arguments.target, arguments.type]
        if any(given) and not all(given):
            raise ConfigError("give --source, --target and --type together, or none of them and a configuration")
        return _quantize if all(given) else None
    tools: dict[str, Tool] = {"evaluate": _evaluate, "importance": _importance}
    return tools.get(arguments.command)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _count(text: str) -> int:
    """See argparse's `type`."""
    number = int(text) if text.isdecimal() else -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return number


def _positive(text: str) -> int:
    number = _count(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return number


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    _add_reading(parser)
    parser.add_argument("--baseline", type=Path, required=True, help="the model as it was published, in F16 or BF16")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a quantized file of it; repeatable")
    parser.add_argument("--draft", type=Path, help="a draft model, to measure how many of its tokens are accepted")
    parser.add_argument("--speculate", action="store_true", help="measure acceptance of n-grams; --draft implies it")
    parser.add_argument("--ahead", type=_positive, nargs="+", default=[4], help="tokens proposed at a time; default: 4")
    parser.add_argument("--rounds", type=_count, default=3, help="of measuring speed, 0: none; default: %(default)s")
    parser.add_argument("--source", help="where the evidence is published; default: what it was made with")
    parser.add_argument("--out", type=Path, help="JSON file to write; `models[].accuracy` is for a Model's variants")


def _add_importance(parser: argparse.ArgumentParser) -> None:
    _add_reading(parser)
    parser.add_argument("--model", type=Path, required=True, help="the model as it was published, in F16 or BF16")
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file to write, for `quantize --importance`")


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", type=Path, required=True, help="text that the model was not trained on")
    parser.add_argument("--context", type=_positive, default=512, help="tokens of a window; default: %(default)s")
    parser.add_argument("--max-windows", type=_positive, help="default: as many as the text has")
    _add_threads(parser)


def _add_threads(parser: argparse.ArgumentParser) -> None:
    cores = len(os.sched_getaffinity(0))
    help_ = "no more than cores that are idle, for they wait by spinning; default: %(default)s"
    parser.add_argument("--threads", type=_positive, default=cores, help=help_)


def _quantize(arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.weights.quantizing.job import Job, quantize  # noqa: PLC0415

    job = Job(arguments.source, arguments.target, arguments.type, arguments.threads, arguments.importance)
    quantize(job, time.monotonic)


def _evaluate(arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.evaluate.command import Clock, run_evaluate  # noqa: PLC0415

    run_evaluate(arguments, Clock(time.monotonic, datetime.now(UTC).date().isoformat()))


def _importance(arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.evaluate.command import run_importance  # noqa: PLC0415

    run_importance(arguments)
