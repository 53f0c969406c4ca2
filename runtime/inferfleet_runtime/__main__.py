"""The command line: `inferfleet-runtime fetch | quantize | serve | check-config`. The composition root."""

import argparse
import asyncio
import json
import logging
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from inferfleet_runtime import __version__, contract, logs
from inferfleet_runtime.config import Paths, load
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.llama_cpp import server_settings
from inferfleet_runtime.errors import CommandError, ConfigError

log = logging.getLogger(__name__)

Command = Callable[[RuntimeConfig, Paths, argparse.Namespace], None]


# Each command imports what it needs: `fetch` must not wait for numpy, nor `check-config` for aiohttp.


def _fetch(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    from inferfleet_runtime.weights.download import Clock  # noqa: PLC0415
    from inferfleet_runtime.weights.fetch import fetch  # noqa: PLC0415

    fetch(config.source, paths, Clock(time.monotonic, time.sleep))


def _quantize(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    from inferfleet_runtime.weights.quantize import quantize  # noqa: PLC0415

    if config.quantize is None:
        log.info("nothing to quantize: the fetched file is served as it is")
        return
    quantize(paths.fetched, paths.at(config.weights_file()), config.quantize.type, time.monotonic)


def _serve(config: RuntimeConfig, paths: Paths, arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.front.serve import Ambient, serve  # noqa: PLC0415

    ambient = Ambient(time.monotonic, random.Random())  # noqa: S311 - prompts of a benchmark
    asyncio.run(serve(config, paths.at(config.weights_file()), arguments.port, ambient))


def _check_config(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    engine = asdict(server_settings(config, paths.at(config.weights_file())))
    shown = {"config": config.model_dump(mode="json", by_alias=True), "engine": engine}
    print(json.dumps(shown, indent=2))  # noqa: T201 - the command's answer


_COMMANDS: Mapping[str, tuple[Command, str]] = MappingProxyType(
    {
        "fetch": (_fetch, "bring the model file and verify it"),
        "quantize": (_quantize, "make the served file from the fetched one"),
        "serve": (_serve, "serve the OpenAI API until SIGTERM, then drain"),
        "check-config": (_check_config, "validate the configuration and print what follows from it"),
    }
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="inferfleet-runtime",
        description="What runs in a model pod.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong configuration or arguments.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument("--config", type=Path, help=f"default: {contract.CONFIG_PATH} below the root")
        command.add_argument("--root", type=Path, default=Path("/"), help="prefix of every path of a pod")
        if name == "serve":
            command.add_argument("--port", type=int, default=contract.PORT, help="default: %(default)s")
    return parser


def main() -> None:
    """Run one command."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command; the exit code. What a user can act on is one line on standard error."""
    arguments = _parser().parse_args(argv)
    logs.configure()
    paths = Paths(arguments.root.absolute())
    command, _ = _COMMANDS[arguments.command]
    try:
        config = load(arguments.config or paths.at(contract.CONFIG_PATH))
        command(config, paths, arguments)
    except ConfigError as error:
        return _complain(arguments.command, error, 2)
    except (CommandError, OSError) as error:
        return _complain(arguments.command, error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


def _complain(command: str, error: Exception, code: int) -> int:
    # a plain last line: Kubernetes shows the end of the log as the reason of a failed container
    print(f"inferfleet-runtime {command}: {error}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    main()
