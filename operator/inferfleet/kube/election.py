"""One leader among several replicas, by a Lease. Reads and writes that Lease.

Time is the monotonic clock of each replica, never the time written in the Lease: a standby counts from
when it saw the Lease change last, so clocks that differ or jump elect nobody. A leader stops at the renew
deadline, before any standby may begin at the lease duration.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inferfleet import errors
from inferfleet.kube.cluster import Cluster
from inferfleet.kube.kinds import LEASE, Obj
from inferfleet.kube.timing import Timing

LEASE_SECONDS = 15
RENEW_DEADLINE_SECONDS = 10.0
RETRY_SECONDS = 2.0
"""15/10/2 are the defaults of client-go and controller-runtime."""
CALL_SECONDS = 4.0
"""No single call may use up the time in which two more could be tried."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """Which Lease, and as whom."""

    namespace: str
    name: str
    identity: str
    """Unique to this process, not only to its pod: a restarted container must not inherit."""


def _now() -> datetime:
    return datetime.now(UTC)


class LeaderElector:
    """Run it with `run`; ask `is_leader` before each write."""

    def __init__(
        self,
        cluster: Cluster,
        candidate: Candidate,
        timing: Timing | None = None,
        wall_clock: Callable[[], datetime] = _now,
    ) -> None:
        self._cluster = cluster
        self._candidate = candidate
        self._timing = timing or Timing()
        self._wall_clock = wall_clock
        self._lease: Obj | None = None
        self._seen_at = 0.0
        self._led_until = float("-inf")

    def is_leader(self) -> bool:
        """Whether a write may be sent now; false past the renew deadline, whatever else is known."""
        return self._timing.clock() < self._led_until

    async def run(self, on_started: Callable[[], Awaitable[None]]) -> None:
        """Lead whenever possible, until `on_started` returns by itself or this is cancelled.

        `on_started` is cancelled when the lead is lost, and started anew when it is won again. The Lease is
        given back at the end, after `on_started` has ended.
        """
        try:
            while True:
                await self._acquire()
                log.info("leading", extra={"identity": self._candidate.identity})
                if await self._lead(on_started):
                    return
                log.warning("no longer leading", extra={"identity": self._candidate.identity})
        finally:
            await self._release()

    async def _lead(self, on_started: Callable[[], Awaitable[None]]) -> bool:
        """Whether `on_started` came to its own end; False when the lead was lost first."""
        body = asyncio.ensure_future(on_started())
        renewal = asyncio.ensure_future(self._keep())
        try:
            await asyncio.wait((body, renewal), return_when=asyncio.FIRST_COMPLETED)
            if body.done():
                await body
                return True
            return False
        finally:
            await _stop(body)
            await _stop(renewal)

    async def _acquire(self) -> None:
        await self._attempt(CALL_SECONDS)
        while not self.is_leader():
            # Standbys that began together must not ask together.
            await self._timing.sleep(RETRY_SECONDS * (1 - self._timing.jitter() / 10))
            await self._attempt(CALL_SECONDS)

    async def _keep(self) -> None:
        """Renew until the lead is lost."""
        while (remaining := self._led_until - self._timing.clock()) > 0:
            await self._timing.sleep(min(RETRY_SECONDS, remaining))
            # A process that was stopped for a while wakes up here, past its deadline: it has lost.
            if (remaining := self._led_until - self._timing.clock()) > 0:
                await self._attempt(min(CALL_SECONDS, remaining))

    async def _attempt(self, limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await self._retaking(self._candidate.identity)
        except (errors.ApiError, TimeoutError) as e:
            log.warning("cannot take or renew the Lease", extra={"error": str(e) or type(e).__name__})

    async def _retaking(self, holder: str) -> None:
        """Write the Lease; a conflict means it is not as we knew it (perhaps by a write of ours of which the
        answer was lost), so look and try once more.
        """
        try:
            await self._take(holder)
        except (errors.Conflict, errors.NotFound):
            self._lease = None
            await self._take(holder)

    async def _take(self, holder: str) -> None:
        if self._lease is None or self._holder() != self._candidate.identity:
            await self._look()
        giving_back_what_we_lack = not holder and self._holder() != self._candidate.identity
        if giving_back_what_we_lack or not self._is_free():
            self._led_until = float("-inf")
            return
        # Before the request is sent: a standby counts from later than this.
        sent = self._timing.clock()
        write = self._cluster.create if self._lease is None else self._cluster.replace
        self._see(await write(self._desired(holder)))
        self._led_until = sent + RENEW_DEADLINE_SECONDS if holder else float("-inf")

    async def _look(self) -> None:
        self._see(await self._cluster.get(LEASE, self._candidate.namespace, self._candidate.name))

    def _see(self, lease: Obj | None) -> None:
        if _version(lease) != _version(self._lease):
            self._seen_at = self._timing.clock()
        self._lease = lease

    def _is_free(self) -> bool:
        if self._lease is None or self._holder() in ("", self._candidate.identity):
            return True
        seconds = self._spec().get("leaseDurationSeconds") or LEASE_SECONDS
        return bool(self._timing.clock() >= self._seen_at + seconds)

    async def _release(self) -> None:
        """Let a standby begin at once; failing that it begins when the Lease runs out."""
        self._led_until = float("-inf")
        if self._lease is None or self._holder() != self._candidate.identity:
            return
        with suppress(errors.ApiError, TimeoutError):
            async with asyncio.timeout(CALL_SECONDS):
                await self._retaking("")

    def _desired(self, holder: str) -> Obj:
        now = _micro_time(self._wall_clock())
        old = self._spec()
        taken = bool(holder) and holder != self._holder()
        transitions = int(old.get("leaseTransitions") or 0) + taken
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": LEASE_SECONDS if holder else 1,
            "renewTime": now,
            "acquireTime": now if taken else old.get("acquireTime") or now,
            "leaseTransitions": transitions,
        }
        meta = {"namespace": self._candidate.namespace, "name": self._candidate.name}
        base = self._lease or {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": meta}
        return base | {"spec": spec}

    def _spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = (self._lease or {}).get("spec") or {}
        return spec

    def _holder(self) -> str:
        return str(self._spec().get("holderIdentity") or "")


async def _stop(task: "asyncio.Future[None]") -> None:
    """Cancel and wait; not by awaiting it, which could not tell its cancellation from our own."""
    if task.done():
        return
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("work failed while it was stopped", exc_info=error)


def _version(lease: Obj | None) -> str:
    return str(lease["metadata"]["resourceVersion"]) if lease else ""


def _micro_time(moment: datetime) -> str:
    """RFC 3339 with microseconds, the format of a Lease's times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
