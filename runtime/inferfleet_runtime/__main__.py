"""The command line: `fetch`, `quantize`, `serve`, `check-config` and the tools. The composition root."""

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

from inferfleet_runtime import __version__, contract, logs, tools
from inferfleet_runtime.config import Paths, load
from inferfleet_runtime.contract import RuntimeConfig
from inferfleet_runtime.engines.diffusers import DIFFUSERS
from inferfleet_runtime.engines.llama_cpp import ServerSettings, server_settings
from inferfleet_runtime.engines.pytorch import TorchSettings, torch_settings
from inferfleet_runtime.engines.transformers import TRANSFORMERS
from inferfleet_runtime.engines.vendors.render import VENDORS, render
from inferfleet_runtime.engines.vendors.vendor import Container, UnsupportedError
from inferfleet_runtime.errors import CommandError, ConfigError

log = logging.getLogger(__name__)

Command = Callable[[RuntimeConfig, Paths, argparse.Namespace], None]


# Each command imports what it needs: `fetch` must not wait for numpy, nor `check-config` for aiohttp.


def _fetch(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    from inferfleet_runtime.weights import command  # noqa: PLC0415
    from inferfleet_runtime.weights.sources.http_client import Clock  # noqa: PLC0415

    command.run(config, paths, os.environ, Clock(time.monotonic, time.sleep), contract.PORT)


def _quantize(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    from inferfleet_runtime.weights import lease  # noqa: PLC0415
    from inferfleet_runtime.weights.quantizing.job import Job, quantize  # noqa: PLC0415

    if config.quantize is None:
        log.info("nothing to quantize: the fetched file is served as it is")
        return
    job = Job(paths.fetched, paths.at(config.weights_file()), config.quantize.type, config.threads)
    with lease.held(paths):
        quantize(job, time.monotonic)
    lease.let_go(paths, paths.fetched)


def _serve(config: RuntimeConfig, paths: Paths, arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.front.serve import Ambient, serve  # noqa: PLC0415
    from inferfleet_runtime.weights import lease, notes  # noqa: PLC0415

    if config.engine in VENDORS:
        raise ConfigError(f"engine: {config.engine} serves in an image of its own; run `inferfleet-runtime sidecar`")
    rng = random.Random()  # noqa: S311 - prompts of a benchmark
    ambient = Ambient(time.monotonic, rng, capacity_file=paths.at(contract.CAPACITY_PATH))
    notes.refuse_unverified(config, paths)
    with lease.held(paths):
        if config.engine == DIFFUSERS.name:
            from inferfleet_runtime.front.media_serve import serve_media  # noqa: PLC0415

            asyncio.run(serve_media(config, paths, arguments.port, ambient))
        elif config.engine == TRANSFORMERS.name:
            from inferfleet_runtime.front.speech_serve import serve_speech  # noqa: PLC0415

            asyncio.run(serve_speech(config, paths, arguments.port, ambient))
        else:
            asyncio.run(serve(config, paths.at(config.weights_file()), arguments.port, ambient))


def _sidecar(config: RuntimeConfig, paths: Paths, arguments: argparse.Namespace) -> None:
    from inferfleet_runtime.sidecar.run import Ambient, sidecar  # noqa: PLC0415
    from inferfleet_runtime.weights import lease  # noqa: PLC0415

    rng = random.Random()  # noqa: S311 - prompts of a benchmark
    ambient = Ambient(time.monotonic, rng, arguments.engine_url)
    with lease.held(paths):
        asyncio.run(sidecar(config, paths, arguments.port, ambient))


def _check_config(config: RuntimeConfig, paths: Paths, _: argparse.Namespace) -> None:
    engine = asdict(_engine_settings(config, paths))
    shown = {"config": config.model_dump(mode="json", by_alias=True), "engine": engine}
    print(json.dumps(shown, indent=2))  # noqa: T201 - the command's answer


def _engine_settings(config: RuntimeConfig, paths: Paths) -> ServerSettings | TorchSettings | Container:
    if config.engine in VENDORS:
        return _rendered(config)
    if config.engine in (DIFFUSERS.name, TRANSFORMERS.name):
        return torch_settings(config, paths.at(contract.MODEL_DIR))
    return server_settings(config, paths.at(config.weights_file()))


def _rendered(config: RuntimeConfig) -> Container:
    try:
        return render(config)
    except UnsupportedError as error:
        raise ConfigError(str(error)) from error


_COMMANDS: Mapping[str, tuple[Command, str]] = MappingProxyType(
    {
        "fetch": (_fetch, "bring the model file and verify it"),
        "quantize": (_quantize, "make the served file from the fetched one"),
        "serve": (_serve, "serve the OpenAI API until SIGTERM, then drain"),
        "sidecar": (_sidecar, "watch the vendor's engine in the same pod until SIGTERM"),
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
        if name == "sidecar":
            command.add_argument("--port", type=int, default=contract.SIDECAR_PORT, help="default: %(default)s")
            engine = f"http://127.0.0.1:{contract.PORT}"
            command.add_argument("--engine-url", default=engine, help="of the engine's API; default: %(default)s")
        if name == "quantize":
            tools.add_quantize(command)
    tools.add(commands)
    return parser


def main() -> None:
    """Run one command."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run one command; the exit code. What a user can act on is one line on standard error."""
    arguments = _parser().parse_args(argv)
    logs.configure()
    try:
        if tool := tools.wanted(arguments):
            tool(arguments)
        else:
            _in_pod(arguments)
    except ConfigError as error:
        return _complain(arguments.command, error, 2)
    except (CommandError, OSError) as error:
        return _complain(arguments.command, error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


def _in_pod(arguments: argparse.Namespace) -> None:
    paths = Paths(arguments.root.absolute())
    command, _ = _COMMANDS[arguments.command]
    command(load(arguments.config or paths.at(contract.CONFIG_PATH)), paths, arguments)


def _complain(command: str, error: Exception, code: int) -> int:
    # a plain last line: Kubernetes shows the end of the log as the reason of a failed container
    print(f"inferfleet-runtime {command}: {error}", file=sys.stderr)  # noqa: T201
    return code


if __name__ == "__main__":
    main()
