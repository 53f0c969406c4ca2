"""The command line of the control plane."""

import argparse
import errno
import io
import logging
import os
import sys
from contextlib import suppress

from inferfleet import __version__
from inferfleet.cli import (
    catalog,
    check,
    classes,
    cost,
    crds,
    diff,
    explain,
    fit,
    lint,
    plan,
    predict,
    reference,
    replay,
    run,
    schemas,
    snapshot,
)

log = logging.getLogger(__name__)

UNUSABLE = 2
BROKEN_PIPE = 128 + 13
"""What a shell sees of a program that SIGPIPE ended."""
INTERRUPTED = 128 + 2
"""The same of SIGINT."""
_OUTPUT = (errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)
"""What writing runs into. `writing` names its files; what is left is printed."""
_OWN = ("inferfleet", "inferfleet_runtime")


def main(argv: list[str] | None = None) -> int:
    """Parse and do; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="inferfleet", description="A Kubernetes operator for fleets of specialized inference."
    )
    parser.add_argument("--version", action="version", version=f"inferfleet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    offline = (plan, diff, explain, replay, snapshot, cost, predict, fit)
    for command in (run, *offline, crds, catalog, classes, reference, schemas, check, lint):
        command.add(commands)
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        getattr(args, "complain", parser.error)(f"unrecognized arguments: {' '.join(unknown)}")
    return _done(args)


def _done(args: argparse.Namespace) -> int:
    """Its own status, or that of what it ran into: a reader or user that left, a file, a package that is not there."""
    try:
        status: int = args.call(args)
        if sys.stdout:  # None where it was closed before the start
            sys.stdout.flush()
        return status
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:  # a long plan that nobody waits for any more
        return INTERRUPTED
    except OSError as error:
        log.debug("traceback", exc_info=True)
        _drop_output()
        place = error.filename or ("standard output" if error.errno in _OUTPUT else "")
        return _refused(args, f"{place}{': ' if place else ''}{error.strerror or error}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in _OWN:
            raise
        install = f"pip install '.[{args.extra}]'"
        return _refused(args, f"needs the Python package {package}; in a checkout of Inferfleet: {install}")


def _refused(args: argparse.Namespace, message: str) -> int:
    """`unusable` is the status of a command where 2 has another meaning."""
    print(f"inferfleet {args.command}: {message}", file=sys.stderr)  # noqa: T201
    status: int = getattr(args, "unusable", UNUSABLE)
    return status


def _drop_output() -> None:
    """Python flushes once more when it ends, which would fail again."""
    with suppress(io.UnsupportedOperation, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
