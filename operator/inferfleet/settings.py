"""Frozen settings; the only reader of environment variables and flags. Reads."""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """All that an administrator may set for the operator. Times in seconds."""

    runtime_image: str
    kubeconfig: str = ""
    """Of $KUBECONFIG; empty in a pod."""
    runtime_image_pull_policy: str = "IfNotPresent"
    runtime_image_pull_secrets: tuple[str, ...] = ()
    """Names of Secrets in the Models' namespaces."""
    watch_namespaces: tuple[str, ...] = ()
    """Where Models are served; empty for all."""
    catalog: str = ""
    """Folder whose entries override or extend the bundled catalog; empty for none."""
    priority_classes: Mapping[int, str] = field(default_factory=dict)
    """PriorityClass by its value."""
    namespace: str = "inferfleet-system"
    """The operator's own namespace; its Lease lives there."""
    identity: str = "inferfleet"
    leader_election: bool = True
    metrics_port: int = 9090
    health_port: int = 8080
    workers: int = 8
    scale_interval: float = 2.0
    """Between two decisions about replicas."""
    scrape_timeout: float = 2.0
    signal_max_age: float = 15.0
    """Older metrics freeze the replicas."""
    status_interval: float = 30.0
    """Live numbers in a status are written at most this often."""
    resync_interval: float = 60.0
    move_saving: float = 0.15
    """A serving placement moves only for at least this share of its cost (or latency)."""
    capacity_max_age: float = 30 * 86400.0
    """A CapacityProfile older than this is not believed."""
    pause_moves: bool = False
    """No serving placement of the whole fleet is replaced while this is set."""
    log_level: str = "info"


def add_arguments(parser: argparse.ArgumentParser, env: Mapping[str, str] = os.environ) -> None:
    """Flags of `inferfleet run`; each can be given as an INFERFLEET_* variable too."""
    option = _Options(parser, env)
    option.text("runtime-image", "image of the serving runtime (required)", None)
    option.text("runtime-image-pull-policy", "Always, IfNotPresent or Never", Settings.runtime_image_pull_policy)
    option.text("runtime-image-pull-secrets", "Secrets of the Models' namespaces, comma-separated", "", _list)
    option.text("watch-namespaces", "serve Models of these namespaces only, comma-separated; empty: all", "", _list)
    option.text("catalog", "folder whose entries override or extend the bundled catalog", "")
    example = "such as 1000=inferfleet-interactive,0=standard"
    option.text("priority-classes", f"PriorityClasses for model pods, {example}", "", _priority_classes)
    option.text("namespace", "the operator's own namespace", Settings.namespace)
    option.text("identity", "name of this process in the leader Lease", env.get("HOSTNAME", Settings.identity))
    option.number("metrics-port", "port of /metrics", Settings.metrics_port)
    option.number("health-port", "port of /healthz", Settings.health_port)
    option.number("workers", "Models reconciled at once", Settings.workers)
    option.number("scale-interval", "seconds between scaling decisions", Settings.scale_interval)
    option.number("move-saving", "share of the cost that a move must save", Settings.move_saving)
    option.text("log-level", "debug, info, warning or error", Settings.log_level)
    option.flag("pause-moves", "replace no serving placement")
    option.flag("no-leader-election", "run without a Lease: only for one process on a developer's machine")


@dataclass(frozen=True)
class _Options:
    parser: argparse.ArgumentParser
    env: Mapping[str, str]

    def text(self, name: str, text: str, default: str | None, parse: Callable[[str], Any] = str) -> None:
        value = self.env.get(_variable(name), default)
        shown = f"{text} (default {value or 'none'})"
        self.parser.add_argument(f"--{name}", default=value, required=value is None, type=parse, help=shown)

    def number(self, name: str, text: str, default: float) -> None:
        value = type(default)(self.env.get(_variable(name), default))
        self.parser.add_argument(f"--{name}", default=value, type=type(default), help=f"{text} (default {value})")

    def flag(self, name: str, text: str) -> None:
        value = self.env.get(_variable(name), "").lower() in ("1", "true", "yes")
        self.parser.add_argument(f"--{name}", default=value, action="store_true", help=text)


def _variable(name: str) -> str:
    return f"INFERFLEET_{name.upper().replace('-', '_')}"


def from_arguments(args: argparse.Namespace, env: Mapping[str, str] = os.environ) -> Settings:
    """The settings that the parsed flags stand for. The kubeconfig has no flag: kopf reads the variable, too."""
    return Settings(
        kubeconfig=env.get("KUBECONFIG", ""),
        runtime_image=args.runtime_image,
        runtime_image_pull_policy=args.runtime_image_pull_policy,
        runtime_image_pull_secrets=args.runtime_image_pull_secrets,
        watch_namespaces=args.watch_namespaces,
        catalog=args.catalog,
        priority_classes=args.priority_classes,
        namespace=args.namespace,
        identity=args.identity,
        leader_election=not args.no_leader_election,
        metrics_port=args.metrics_port,
        health_port=args.health_port,
        workers=args.workers,
        scale_interval=args.scale_interval,
        move_saving=args.move_saving,
        pause_moves=args.pause_moves,
        log_level=args.log_level,
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _priority_classes(text: str) -> dict[int, str]:
    """`1000=interactive,0=standard` as value to name."""
    found = {}
    for part in _list(text):
        value, _, name = part.partition("=")
        if not (name and value.removeprefix("-").isdecimal()):
            raise argparse.ArgumentTypeError(f"{part!r} is not VALUE=NAME, such as 1000=inferfleet-interactive")
        found[int(value)] = name
    return found
