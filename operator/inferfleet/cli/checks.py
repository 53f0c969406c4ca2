"""Whether an installed operator works, as `inferfleet check` and `helm test` ask. Reads. Needs the `operator` extra.

Run as the operator's own ServiceAccount, it also shows that this may read what the operator reads.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from inferfleet import errors, names
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.connect import connect
from inferfleet.kube.kinds import CAPACITY_PROFILE, HARDWARE_POOL, LEASE, MODEL, WORKLOAD_CLASS, Kind

PAUSE_SECONDS = 1.0
GET_SECONDS = 5.0
LEADER_METRIC = "inferfleet_leader"


class CheckError(Exception):
    """What is wrong, where, and what to do."""


@dataclass(frozen=True)
class Target:
    """Where the operator is. An address that is empty is not asked."""

    namespace: str
    watch_namespaces: tuple[str, ...]
    metrics: str
    health: str


Check = Callable[[], Awaitable[str]]
"""Says in a few words what it found; CheckError where that is wrong."""


def check_all(target: Target, seconds: float) -> int:
    """Print a line for each check; 1 when one failed."""
    return asyncio.run(_all(target, seconds))


async def _all(target: Target, seconds: float) -> int:
    failed = 0
    try:
        async with _checks(target) as checks:
            deadline = asyncio.get_running_loop().time() + seconds
            for name, check in checks.items():
                failed += await _tried(name, check, deadline)
    except errors.ApiError as error:
        print(f"FAILED access: {error}")  # noqa: T201
        return 1
    return int(failed > 0)


async def _tried(name: str, check: Check, deadline: float) -> bool:
    """Whether it failed, and still does at the deadline."""
    while True:
        try:
            print(f"ok     {name}: {await check()}")  # noqa: T201
            return False
        except CheckError as error:
            if asyncio.get_running_loop().time() >= deadline:
                print(f"FAILED {name}: {error}")  # noqa: T201
                return True
        await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def _checks(target: Target) -> AsyncIterator[Mapping[str, Check]]:
    cluster = await connect(os.environ.get("KUBECONFIG", ""))
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=GET_SECONDS)) as session:
            yield {
                "definitions": lambda: served(cluster, target),
                "health": lambda: answers(session, target.health, "{"),
                "metrics": lambda: answers(session, target.metrics, LEADER_METRIC),
                "leader": lambda: led(cluster, target.namespace),
            }
    finally:
        await cluster.close()


async def served(cluster: Cluster, target: Target) -> str:
    """The four kinds can be listed, wherever they are served."""
    counts = []
    for kind in (MODEL, WORKLOAD_CLASS, HARDWARE_POOL, CAPACITY_PROFILE):
        scopes = target.watch_namespaces if kind.namespaced and target.watch_namespaces else ("",)
        counts.append(f"{sum([await _count(cluster, kind, scope) for scope in scopes])} {kind.plural}")
    return ", ".join(counts)


async def _count(cluster: Cluster, kind: Kind, namespace: str) -> int:
    try:
        return len((await cluster.list(kind, namespace=namespace)).items)
    except errors.NotFound as error:
        raise CheckError(
            f"the API server does not know {kind.plural}: install the chart inferfleet-crds of the same version"
        ) from error
    except errors.ApiError as error:
        where = f" in namespace {namespace}" if namespace else ""
        raise CheckError(f"cannot list {kind.plural}{where}: {error}; look at the chart's value rbac.create") from error


async def answers(session: aiohttp.ClientSession, url: str, wanted: str) -> str:
    """An address that answers 200 with what it should contain."""
    if not url:
        return "not asked"
    try:
        async with session.get(url) as response:
            text, status = await response.text(), response.status
    except (aiohttp.ClientError, TimeoutError) as error:
        words = str(error) or type(error).__name__
        raise CheckError(
            f"{url} does not answer ({words}): look at the pods of the Deployment inferfleet-operator, "
            "and at NetworkPolicies of this namespace"
        ) from error
    if status != 200 or wanted not in text:
        raise CheckError(f"{url} answers {status} without {wanted}: is it the operator that listens there?")
    return f"{url} answers"


async def led(cluster: Cluster, namespace: str) -> str:
    """The Lease has a holder that renews it. Clocks may differ, so what counts is that it changes."""
    first = await _lease(cluster, namespace)
    await asyncio.sleep(PAUSE_SECONDS * 4)  # it is renewed every two seconds
    second = await _lease(cluster, namespace)
    if first == second:
        raise CheckError(f"{second[0]} holds the Lease {namespace}/{names.LEASE} but does not renew it")
    return f"{second[0]} leads"


async def _lease(cluster: Cluster, namespace: str) -> tuple[str, str]:
    """Holder and time of renewal."""
    try:
        spec = (await cluster.get(LEASE, namespace, names.LEASE) or {}).get("spec", {})
    except errors.ApiError as error:
        raise CheckError(f"cannot read the Lease {namespace}/{names.LEASE}: {error}") from error
    if not spec.get("holderIdentity"):
        raise CheckError(
            f"nobody holds the Lease {namespace}/{names.LEASE}: look at the logs of the Deployment inferfleet-operator"
        )
    return str(spec["holderIdentity"]), str(spec.get("renewTime"))
