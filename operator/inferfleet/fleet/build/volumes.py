"""Volumes of a model pod: configuration, weights, and what brings them: an image, a claim, Secrets, a cache. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inferfleet.api.artifacts import Source
from inferfleet.fleet import sources
from inferfleet.settings import Settings
from inferfleet_runtime import contract

_FETCH = "fetch"
_RENEWING = ("quantize", "serve", "sidecar")
"""Containers that keep the files they work with from being evicted."""
_LEASES = "leases"
"""Folder of the cache (`inferfleet_runtime.weights.cache`)."""
_TEMPORARY = "sessionToken"
"""Key that only temporary credentials of AWS have."""


@dataclass(frozen=True)
class Brought:
    """What a pod fetches, and what the administrator gives it for that."""

    sources: Sequence[Source]
    """As users gave them; the model's own first."""
    settings: Settings

    @property
    def uri(self) -> str:
        """Of the model's file."""
        return self.sources[0].uri

    @property
    def image(self) -> str | None:
        """The image to mount; None where there is none, or `fetch` pulls it itself."""
        pulled = self.settings.pull_model_images or sources.credentials(self.sources[0])
        return None if pulled else sources.image(self.uri)

    @property
    def secrets(self) -> dict[str, Source]:
        """A source by the folder that its credentials are mounted in."""
        found = {sources.credentials(source): source for source in self.sources}
        return {folder: source for folder, source in found.items() if folder}


def volumes(config_name: str, brought: Brought) -> list[dict[str, Any]]:
    """Of the pod."""
    found: list[dict[str, Any]] = [
        {"name": "config", "configMap": {"name": config_name}},
        {"name": "weights", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if brought.image:
        found.append({"name": "image", "image": {"reference": brought.image, "pullPolicy": "IfNotPresent"}})
    if claim := sources.claim(brought.uri):
        found.append({"name": "claim", "persistentVolumeClaim": {"claimName": claim, "readOnly": True}})
    found += [_secret(folder, source) for folder, source in brought.secrets.items()]
    return found + _cache(brought.settings)


def mounts(brought: Brought, container: str) -> list[dict[str, Any]]:
    """Of one container: nobody but `fetch` sees a Secret or writes to the cache's files."""
    found: list[dict[str, Any]] = [
        {"name": "config", "mountPath": str(contract.CONFIG_PATH.parent), "readOnly": True},
        {"name": "weights", "mountPath": str(contract.WEIGHTS_DIR)},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
    ]
    if brought.image:
        found.append({"name": "image", "mountPath": str(contract.IMAGE_VOLUME_DIR), "readOnly": True})
    if sources.claim(brought.uri):
        found.append({"name": "claim", "mountPath": str(contract.CLAIM_DIR), "readOnly": True})
    if container == _FETCH:
        found += [
            {"name": folder, "mountPath": str(contract.CREDENTIALS_DIR / folder), "readOnly": True}
            for folder in brought.secrets
        ]
    return found + _cache_mounts(brought.settings, container)


def environment(brought: Brought, container: str) -> dict[str, Any]:
    """The field `env` of a container; nothing where the administrator gave none."""
    if container != _FETCH:
        return {}
    settings = brought.settings
    bound = {contract.CACHE_BYTES: str(settings.weights_cache_bytes)} if settings.weights_cache_bytes else {}
    given = {**(bound if _cache(settings) else {}), **settings.fetch_env}
    return {"env": [{"name": name, "value": value} for name, value in sorted(given.items())]} if given else {}


def _secret(folder: str, source: Source) -> dict[str, Any]:
    """The keys that the source needs and no others. One that is missing keeps the pod from starting, with an event."""
    assert source.credentials
    name, key = source.credentials.secret_name, source.credentials.key
    if key != sources.ACCESS_KEY:
        items = [{"key": key, "path": sources.CREDENTIAL}]
        return {"name": folder, "secret": {"secretName": name, "items": items, "defaultMode": 0o440}}
    keys = [{"key": k, "path": k} for k in (sources.ACCESS_KEY, sources.SECRET_KEY)]
    temporary = [{"key": _TEMPORARY, "path": _TEMPORARY}]
    projected = [
        {"secret": {"name": name, "items": keys}},
        {"secret": {"name": name, "items": temporary, "optional": True}},
    ]
    return {"name": folder, "projected": {"sources": projected, "defaultMode": 0o440}}


def _cache(settings: Settings) -> list[dict[str, Any]]:
    if path := settings.weights_cache_path:
        return [{"name": "cache", "hostPath": {"path": path, "type": "Directory"}}]
    if claim := settings.weights_cache_claim:
        return [{"name": "cache", "persistentVolumeClaim": {"claimName": claim}}]
    return []


def _cache_mounts(settings: Settings, container: str) -> list[dict[str, Any]]:
    if not _cache(settings):
        return []
    cache: dict[str, Any] = {"name": "cache", "mountPath": str(contract.CACHE_DIR)}
    if container == _FETCH:
        return [cache]
    leases = {"name": "cache", "mountPath": str(contract.LEASES_DIR), "subPath": _LEASES}
    return [cache | {"readOnly": True}, *([leases] if container in _RENEWING else [])]
