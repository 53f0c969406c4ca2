"""The scaling loop's memory: windows, histories and decisions of every workload. No I/O; called by the controller."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from types import MappingProxyType

from inferfleet.fleet.pods import DEFAULT_BOOT, boot_seconds, config_of, metrics_url, placement_of, ready, workload_of
from inferfleet.fleet.targets import targets
from inferfleet.fleet.types import Key, Obj, Plan
from inferfleet.planning.measured import Learned
from inferfleet.planning.types import Measured
from inferfleet.scaling.arrivals import SPAN
from inferfleet.scaling.law import Decision
from inferfleet.scaling.learn import Fit, solve
from inferfleet.scaling.recall import recalled, written
from inferfleet.scaling.record import Record
from inferfleet.scaling.signal import PodSample, Window, extend
from inferfleet.scaling.step import Shape
from inferfleet.scaling.workload import Memory, Round, Signals, Target, scale

WINDOW = 3 * SPAN
"""Seconds of samples that are kept: two spans for the trend, and one for lost scrapes."""


RECENT = 5
"""Decisions that are remembered of a workload."""


@dataclass
class _Workload:
    memory: Memory = field(default_factory=Memory)
    last: Round | None = None
    load: float = 0.0
    """What it is to be placed for, after a round."""
    recent: tuple[Record, ...] = ()
    """Decisions that changed something, oldest first."""
    profile: str = ""
    """What its line was learned of."""
    learned: Learned | None = None

    def begin(self, target: Target, known: Measured | None, now: float) -> None:
        """With another content, where its line was left before: after a restart, or when others have served it.

        The shares of late requests are not restored: they are of the arrivals and lengths of this Model's users, and a
        profile is about a content that several Models may share. Until enough was seen, a prior is careful for them.
        """
        self.profile, self.learned = target.profile, known.learned if known else None
        fit = recalled(self.learned, now - known.age) if known and self.learned and target.step else Fit()
        step = solve(fit, target.step) if target.step and fit.count else None
        self.memory = replace(self.memory, fit=fit, step=step)

    def learn(self, target: Target, before: Fit, slots: float) -> None:
        """Take down what a round has added."""
        if target.step and self.memory.fit is not before:
            shape = Shape(target.prompt_tokens, target.request_tokens, 0.0)
            self.learned = written(self.memory.fit, target.step, slots, shape)


class Scaler:
    """Remembers between rounds; decides with `scaling.workload.scale`."""

    def __init__(self, signal_max_age: float) -> None:
        self._max_age = signal_max_age
        self._targets: dict[Key, dict[str, Target]] = {}
        self._external: dict[Key, frozenset[str]] = {}
        self._workloads: dict[Key, dict[str, _Workload]] = {}
        self._windows: dict[str, Window] = {}
        self._asked_since: dict[str, float] = {}
        self._capacity: dict[str, Measured] = {}
        self._reported: set[str] = set()
        self._boots: dict[str, float] = {}

    def plan(
        self,
        key: Key,
        plan: Plan | None,
        ledger: Mapping[str, Measured],
        configs: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """What is to be scaled from now on; a Model that is gone is forgotten. `configs`: hashes by Deployment."""
        if plan is None:
            for known in (self._targets, self._external, self._workloads):
                known.pop(key, None)
            return
        others = targets(plan, external=True)
        planned = targets(plan) | others
        wanted = {class_: replace(t, config=configs.get(t.placement, "")) for class_, t in planned.items()}
        self._targets[key], self._external[key] = wanted, frozenset(others)
        self._workloads[key] = {c: w for c, w in self._workloads.get(key, {}).items() if c in wanted}
        for target in wanted.values():
            if target.profile not in self._capacity and target.profile in ledger:
                self._capacity[target.profile] = ledger[target.profile]

    def decisions(self, key: Key) -> dict[str, Decision]:
        """The last decisions of a Model by class, of what is scaled here."""
        return {class_: w.last.decision for class_, w in self._ours(key) if w.last}

    def recent(self, key: Key) -> dict[str, tuple[Record, ...]]:
        """The last few decisions by class that changed replicas or their reason, oldest first."""
        return {class_: w.recent for class_, w in self._workloads.get(key, {}).items() if w.recent}

    def computed(self) -> dict[tuple[Key, str], int]:
        """Replicas for workloads that another autoscaler moves, as this one would decide: to be published for it."""
        found = {(key, c): self._workloads[key].get(c) for key, classes in self._external.items() for c in classes}
        return {at: w.last.decision.replicas for at, w in found.items() if w and w.last and w.last.decision.fresh}

    def _ours(self, key: Key) -> Iterable[tuple[str, _Workload]]:
        """Of one Model: a reconcile must not look through the fleet."""
        others = self._external.get(key, frozenset())
        return ((class_, w) for class_, w in self._workloads.get(key, {}).items() if class_ not in others)

    def served(self, key: Key) -> dict[str, float] | None:
        """Tokens per second by class; None before the first round."""
        rounds = {class_: w.last for class_, w in self._ours(key) if w.last}
        found = {class_: last.served for class_, last in rounds.items() if last.served is not None}
        return found or None

    def demands(self) -> dict[tuple[Key, str], float]:
        """Tokens per second that each workload is to be placed for, of its unit."""
        return {(key, class_): w.load for key in self._workloads for class_, w in self._ours(key) if w.last}

    def capacities(self) -> Mapping[str, Measured]:
        """Measured capacity by CapacityProfile, of those that a pod reported in the last round."""
        learned: dict[str, Learned] = {}
        for w in (w for classes in self._workloads.values() for w in classes.values()):
            best = learned.get(w.profile)
            if w.learned and (best is None or w.learned.observations > best.observations):
                learned[w.profile] = w.learned
        known = {profile: self._capacity[profile] for profile in self._reported}
        return {profile: replace(m, learned=learned.get(profile, m.learned)) for profile, m in known.items()}

    def windows(self) -> Mapping[str, Window]:
        """Samples of pods by uid."""
        return self._windows

    def urls(self, pods: Iterable[Obj]) -> dict[str, str]:
        """Whom to scrape, by uid: ready pods of planned Models, since those that are not scaled cost something, too."""
        return {
            pod["metadata"]["uid"]: metrics_url(pod)
            for pod in pods
            if workload_of(pod)[:2] in self._targets and ready(pod) and pod["status"].get("podIP")
        }

    def asked(self, uids: Collection[str], now: float) -> None:
        """Who was scraped in this round; others are forgotten."""
        self._asked_since = {uid: self._asked_since.get(uid, now) for uid in uids}
        self._windows = {uid: self._windows.get(uid, ()) for uid in uids}

    def heard(self, uid: str, sample: PodSample) -> None:
        """What one of those answered."""
        self._windows[uid] = extend(self._windows[uid], sample, WINDOW)

    def decide(self, pods: Iterable[Obj], now: float) -> Iterator[tuple[Key, bool]]:
        """One round over all workloads: each Model, and whether its decision or signal changed.

        Nothing is decided but by going on. In between Models may be planned anew, come, or go.
        """
        by_workload: dict[tuple[str, str, str], list[Obj]] = {}
        self._reported.clear()
        pods = list(pods)
        self._remember_boots(pods)
        self._forget_unused()
        for pod in pods:
            by_workload.setdefault(workload_of(pod), []).append(pod)
        for key in list(self._targets):
            changes = [
                self._round(key, target, by_workload.get((*key, target.class_), []), now)
                for target in self._targets.get(key, {}).values()
            ]
            yield key, any(changes)

    def _round(self, key: Key, target: Target, pods: list[Obj], now: float) -> bool:
        state = self._workloads.setdefault(key, {}).setdefault(target.class_, _Workload())
        serving = [p for p in pods if ready(p)]
        placed = [p for p in serving if placement_of(p) == target.placement]
        own = frozenset(p["metadata"]["name"] for p in placed)
        windows = {
            p["metadata"]["name"]: self._windows.get(p["metadata"]["uid"], ()) for p in serving if not self._new(p, now)
        }
        signals = Signals(now, windows, own, self._boot(pods, target.boot), self._max_age)
        # while a new configuration rolls out, what the pods of the old one reach is good enough to scale by, but it is
        # no measurement of the new content, whose pods would believe it instead of measuring
        settled = all(config_of(p) in ("", target.config) for p in placed if target.config)
        known = self._capacity.get(target.profile)
        if settled and state.profile != target.profile:
            state.begin(target, known, now)
        before, fit = state.last, state.memory.fit
        state.last = scale(target, signals, known, state.memory)
        state.memory = state.last.memory
        if settled:
            state.learn(target, fit, max((w[-1].slots for name in own if (w := windows.get(name))), default=0.0))
        state.load = _load(state.last, target, len(serving))
        if state.last.record and _told(state.recent, state.last.record):
            state.recent = (*state.recent, state.last.record)[-RECENT:]
        if state.last.measured and settled:
            self._capacity[target.profile] = state.last.measured
            if any(windows.get(name) for name in own):
                self._reported.add(target.profile)
        return before is None or _news(before, state.last, target)

    def _remember_boots(self, pods: list[Obj]) -> None:
        """As first seen: a pod that is unready for a moment later did not boot anew."""
        booted = {p["metadata"]["uid"]: boot_seconds(p) for p in pods if p["metadata"]["uid"] not in self._boots}
        present = {p["metadata"]["uid"] for p in pods}
        known = {uid: took for uid, took in self._boots.items() if uid in present}
        self._boots = known | {uid: took for uid, took in booted.items() if took is not None}

    def _forget_unused(self) -> None:
        """Once a round, and not once a plan: it looks at the whole fleet."""
        used = {target.profile for classes in self._targets.values() for target in classes.values()}
        self._capacity = {profile: known for profile, known in self._capacity.items() if profile in used}

    def _boot(self, pods: list[Obj], planned: float = DEFAULT_BOOT) -> float:
        times = [self._boots[uid] for p in pods if (uid := p["metadata"]["uid"]) in self._boots]
        return median(times) if times else planned

    def _new(self, pod: Obj, now: float) -> bool:
        """Whether a pod has not answered yet because it only just became ready: that is no stale signal."""
        uid = pod["metadata"]["uid"]
        return not self._windows.get(uid) and now - self._asked_since.get(uid, now) < self._max_age


def _load(last: Round, target: Target, serving: int) -> float:
    """What was asked for; while that is not known all that what serves has replicas for.

    As fast as they are: by the estimate that they were planned with it might be more than they can do.
    """
    asked = last.demand.tokens_per_second
    if not serving or (last.served is not None and last.decision.fresh):
        return asked
    speed = last.measured.tokens_per_second if last.measured else target.planned_capacity
    return max(asked, target.replicas * speed * target.utilization)


def _told(recent: tuple[Record, ...], new: Record) -> bool:
    """Whether it says something that the last one did not."""
    return not recent or (recent[-1].replicas, recent[-1].reason) != (new.replicas, new.reason)


def _news(before: Round, after: Round, target: Target) -> bool:
    same = (before.decision.reason, before.decision.fresh) == (after.decision.reason, after.decision.fresh)
    return not same or after.decision.replicas != target.replicas or before.served != after.served
