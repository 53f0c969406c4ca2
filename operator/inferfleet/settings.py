"""Frozen settings; the only reader of environment variables and flags. Reads."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inferfleet.api.quantities import parse_quantity

LOG_LEVELS = ("debug", "info", "warning", "error")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PORTS = (0, 65535)


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
    fetch_env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the container that fetches models: endpoints, proxies, trusted CAs."""
    pull_model_images: bool = False
    """`oci://` sources are pulled by the pod itself: for clusters without image volumes."""
    weights_cache_path: str = ""
    """Folder of every node that keeps fetched models; empty for none."""
    weights_cache_claim: str = ""
    """PersistentVolumeClaim of each Model's namespace instead of it; empty for none."""
    weights_cache_bytes: int = 0
    """What the cache may hold; 0 for no bound but the disk."""
    priority_classes: Mapping[int, str] = field(default_factory=dict)
    """PriorityClass by its value; a class of priority 0 gets none."""
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
    trusted_headers: bool = False
    """A gateway in front of all model pods sets tenant and priority of requests, and drops what clients send."""
    pause_moves: bool = False
    """No serving placement of the whole fleet is replaced while this is set."""
    log_level: str = "info"


def add_arguments(parser: argparse.ArgumentParser, env: Mapping[str, str] = os.environ) -> None:
    """Flags of `inferfleet run`; each can be given as an INFERFLEET_* variable too."""
    option = _Options(parser, env)
    option.text("runtime-image", "image of the serving runtime (required)", None, _image)
    option.choice("runtime-image-pull-policy", "of model pods", Settings.runtime_image_pull_policy, PULL_POLICIES)
    option.text("runtime-image-pull-secrets", "Secrets of the Models' namespaces, comma-separated", "", _list)
    option.text("watch-namespaces", "serve Models of these namespaces only, comma-separated; empty: all", "", _list)
    option.text("catalog", "folder whose entries override or extend the bundled catalog", "")
    option.text("fetch-env", 'variables for fetching, a JSON object such as {"HF_ENDPOINT": "..."}', "", _variables)
    option.flag("pull-model-images", "let pods pull oci:// sources themselves: no image volumes here")
    option.text("weights-cache-path", "folder of each node that keeps fetched models, of user 65532", "", _folder)
    option.text("weights-cache-claim", "PersistentVolumeClaim of each Model's namespace that keeps them instead", "")
    option.text("weights-cache-bytes", "what the cache may hold, such as 200Gi; empty: what the disk has", "0", _bytes)
    example = "such as 1000=inferfleet-interactive,0=standard"
    option.text("priority-classes", f"PriorityClasses for model pods, {example}", "", _priority_classes)
    option.text("namespace", "the operator's own namespace", Settings.namespace)
    option.text("identity", "name of this process in the leader Lease", env.get("HOSTNAME", Settings.identity))
    option.number("metrics-port", "port of /metrics (0: any that is free)", Settings.metrics_port, PORTS)
    option.number("health-port", "port of /healthz (0: any that is free)", Settings.health_port, PORTS)
    option.number("workers", "Models reconciled at once", Settings.workers, (1, 1000))
    option.number("scale-interval", "seconds between scaling decisions", Settings.scale_interval, (0.1, 3600.0))
    option.number("move-saving", "share of the cost that a move must save", Settings.move_saving, (0.0, 1.0))
    option.choice("log-level", "what is logged", Settings.log_level, LOG_LEVELS)
    option.flag("trusted-headers", "a gateway sets X-Inferfleet-Tenant and -Priority, and drops what clients send")
    option.flag("pause-moves", "replace no serving placement")
    option.flag("no-leader-election", "run without a Lease: only for one process on a developer's machine")


def contradiction(settings: Settings) -> str:
    """What cannot be obeyed together, in words; empty where all can. Pure."""
    if settings.weights_cache_path and settings.weights_cache_claim:
        return (
            "a pod has one cache: give --weights-cache-path or --weights-cache-claim "
            "(INFERFLEET_WEIGHTS_CACHE_PATH or INFERFLEET_WEIGHTS_CACHE_CLAIM), not both"
        )
    return ""


@dataclass(frozen=True)
class _Options:
    """Defaults stay text, so that argparse parses what a variable says as it parses a flag, and tells what is wrong
    with it in the same way."""

    parser: argparse.ArgumentParser
    env: Mapping[str, str]

    def text(self, name: str, text: str, default: str | None, parse: Callable[[str], Any] = str) -> None:
        value = self.env.get(_variable(name), default)
        shown = _escaped(f"{text} (default {value or 'none'})")
        type_ = _named(name, parse)
        self.parser.add_argument(f"--{name}", default=value, required=value is None, type=type_, help=shown)

    def number(self, name: str, text: str, default: float, bounds: tuple[float, float]) -> None:
        parse = _within(type(default), bounds)
        self.text(name, f"{text}, from {bounds[0]:g} to {bounds[1]:g}", str(default), parse)

    def choice(self, name: str, text: str, default: str, choices: Sequence[str]) -> None:
        self.text(name, f"{text}: {_either(choices)}", default, _one_of(choices))

    def flag(self, name: str, text: str) -> None:
        value = self.env.get(_variable(name), "")
        action = self.parser.add_argument(f"--{name}", default=value, action="store_true", help=_escaped(text))
        action.type = _named(name, _truth)  # which argparse applies to a default that is text


def _escaped(text: str) -> str:
    """argparse formats help texts with `%`."""
    return text.replace("%", "%%")


def _named(name: str, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Says of what cannot be used where it may have come from; argparse itself names the flag alone."""

    def checked(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            message = f"{text!r}: {error} (given as --{name} or as {_variable(name)})"
            raise argparse.ArgumentTypeError(message) from error

    return checked


def _within(number: Callable[[str], float], bounds: tuple[float, float]) -> Callable[[str], float]:
    least, most = bounds
    what = "a whole number" if number is int else "a number"

    def parse(text: str) -> float:
        message = f"must be {what} from {least:g} to {most:g}"
        try:
            value = number(text)
        except ValueError as error:
            raise ValueError(message) from error
        if not least <= value <= most:  # nor is NaN
            raise ValueError(message)
        return value

    return parse


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Other capitals are understood: `INFO` always was."""
    known = {choice.casefold(): choice for choice in choices}

    def parse(text: str) -> str:
        if found := known.get(text.casefold()):
            return found
        raise ValueError(f"must be {_either(choices)}")

    return parse


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _truth(text: str) -> bool:
    if text.lower() in ("", "0", "false", "no"):
        return False
    if text.lower() in ("1", "true", "yes"):
        return True
    raise ValueError("must be true or false")


def _image(text: str) -> str:
    if not text.strip():
        raise ValueError("must be an image")
    return text


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
        fetch_env=args.fetch_env,
        pull_model_images=args.pull_model_images,
        weights_cache_path=args.weights_cache_path,
        weights_cache_claim=args.weights_cache_claim,
        weights_cache_bytes=args.weights_cache_bytes,
        priority_classes=args.priority_classes,
        namespace=args.namespace,
        identity=args.identity,
        leader_election=not args.no_leader_election,
        metrics_port=args.metrics_port,
        health_port=args.health_port,
        workers=args.workers,
        scale_interval=args.scale_interval,
        move_saving=args.move_saving,
        trusted_headers=args.trusted_headers,
        pause_moves=args.pause_moves,
        log_level=args.log_level,
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _variables(text: str) -> dict[str, str]:
    """JSON, since values may hold commas, as NO_PROXY does."""
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"must be a JSON object ({error})") from error
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ValueError('must be a JSON object with texts, such as {"HF_ENDPOINT": "https://hub.example.com"}')
    return found


def _folder(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError("must be an absolute path")
    return text.rstrip("/")


def _bytes(text: str) -> int:
    return int(parse_quantity(text or "0"))


def _priority_classes(text: str) -> dict[int, str]:
    """`1000=interactive,0=standard` as value to name."""
    found = {}
    for part in _list(text):
        value, _, name = part.partition("=")
        if not (name and value.removeprefix("-").isdecimal()):
            raise ValueError(f"{part!r} is not VALUE=NAME, such as 1000=inferfleet-interactive")
        found[int(value)] = name
    return found
