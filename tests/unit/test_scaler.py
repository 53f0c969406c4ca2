"""What the scaling loop remembers between rounds, over pods as informers hold them."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import make
import pytest
from harness import NOW, SETTINGS, Operator, stores, world

from inferfleet import names
from inferfleet.api.workload_class import Slo
from inferfleet.catalog import loader
from inferfleet.fleet.observe import observe
from inferfleet.fleet.pages import Reader
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.profile_status import profile_status
from inferfleet.fleet.profiles import ledger, profile_objects
from inferfleet.fleet.scaler import Scaler
from inferfleet.fleet.targets import targets
from inferfleet.fleet.trim import trim_pod
from inferfleet.fleet.types import Obj, Plan
from inferfleet.fleet.validate import validate
from inferfleet.kube import kinds
from inferfleet.names import Reason
from inferfleet.planning.types import Measured
from inferfleet.scaling.target import LATER
from inferfleet_runtime.contract import Metric

KEY = ("default", "demo")
MONTH = 30 * 86400.0
SLO = {"ttft": "2s", "tpot": "100ms"}


def plan(*profiles: Obj, slo: Any = None, **changes: Any) -> Plan:
    """The plan of a Model in a small world."""
    class_ = make.workload_class(**({"slo": slo} if slo else {}))
    cluster = world(make.node(), make.pool(), class_, make.model(**changes), *profiles)
    seen = observe(KEY, stores(cluster), NOW, 1e9)
    assert seen
    return make_plan(seen, validate(seen, loader.load(), SETTINGS), {})


def pod(number: int, placement: str, ready: bool = True) -> Obj:
    """A pod of the demo's chat workload."""
    labels = {"inferfleet.io/model": "demo", "inferfleet.io/class": "chat", "inferfleet.io/placement": placement}
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-01-01T00:00:10Z"}
    metadata = {"name": f"pod-{number}", "namespace": "default", "uid": f"uid-{number}", "labels": labels}
    return {
        "metadata": metadata | {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"podIP": f"10.0.0.{number}", "conditions": [condition]},
    }


def exposition(
    arrivals: float = 0, tokens: float = 0, waiting: float = 0, running: float = 0, prompts: float = 0
) -> str:
    """What a pod of four slots and 100 tokens/s says."""
    values = {
        Metric.ARRIVAL_REQUESTS: arrivals,
        Metric.GENERATION_TOKENS: tokens,
        f"{Metric.REQUEST_GENERATION_TOKENS}_sum": tokens,
        f"{Metric.REQUEST_GENERATION_TOKENS}_count": arrivals,
        Metric.REQUESTS_RUNNING: running,
        Metric.REQUESTS_WAITING: waiting,
        Metric.SLOTS: 4,
        Metric.PROMPT_TOKENS: prompts,
        Metric.ARRIVAL_PROMPT_TOKENS: prompts,
        Metric.CAPACITY: 100,
    }
    return "".join(f"{name} {value}\n" for name, value in values.items())


def replicas_of(found: Plan, count: int) -> Plan:
    """The same with so many replicas of its only placement."""
    (workload,) = found.workloads
    (placement,) = workload.placements
    spread = workload.spread and replace(workload.spread, served=count)
    return replace(
        found,
        workloads=(replace(workload, placements=(replace(placement, replicas=count),), spread=spread),),
    )


class Loop:
    """A scaler with its plan, driven round by round, two seconds each."""

    def __init__(self, *profiles: Obj, slo: Any = None) -> None:
        self.scaler, self.plan, self.now = Scaler(signal_max_age=15), plan(*profiles, slo=slo), 1000.0
        self.reader = Reader()
        self.scaler.plan(KEY, self.plan, ledger(profiles, NOW, MONTH))
        ((self.target),) = targets(self.plan).values()
        self.placement = self.target.placement.rsplit("-", 1)[1]

    def round(self, pods: list[Obj], texts: dict[str, str]) -> set[tuple[str, str]]:
        """Scrape with these answers, and decide."""
        self.now += 2
        self.hear(pods, texts)
        return {key for key, changed in self.scaler.decide(pods, self.now) if changed}

    def hear(self, pods: list[Obj], texts: dict[str, str]) -> int:
        """Scrape with these answers; how many could be used."""
        pages = self.reader.read({uid: text.encode() for uid, text in texts.items()}, self.now)
        samples = {uid: page.sample for uid, page in pages if page.sample}
        self.scaler.asked(self.scaler.urls(pods), self.now)
        for uid, sample in samples.items():
            self.scaler.heard(uid, sample)
        return len(samples)

    @property
    def decision(self) -> Any:
        """The last one."""
        return self.scaler.decisions(KEY)["chat"]


def test_pods_of_an_older_configuration_are_scaled_by_and_measure_nothing_about_the_new_one() -> None:
    loop = Loop()
    loop.scaler.plan(KEY, loop.plan, {}, {loop.target.placement: "new"})
    old, new = pod(1, loop.placement), pod(2, loop.placement)
    old["metadata"]["annotations"] = {names.ANNOTATION_CONFIG: "old"}
    new["metadata"]["annotations"] = {names.ANNOTATION_CONFIG: "new"}
    for step in range(12):
        loop.round([old], {"uid-1": exposition(arrivals=6 * step, tokens=300 * step)})
    assert loop.scaler.capacities() == {}
    assert loop.decision.replicas == 2, "of 100 tokens/s each, as the pods say that run"
    loop.round([old, new], {"uid-1": exposition(arrivals=72), "uid-2": exposition()})
    assert loop.scaler.capacities() == {}
    loop.round([new], {"uid-2": exposition()})
    assert loop.scaler.capacities() == {loop.target.profile: Measured(100.0, "Benchmarked")}


async def test_a_reconcile_says_which_configuration_pods_shall_have_and_informers_keep_which_they_have() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model())
    result = await Operator(cluster).once()
    (deployment,) = cluster.all(kinds.DEPLOYMENT)
    notes = deployment["spec"]["template"]["metadata"]["annotations"]
    assert result
    assert result.configs == {deployment["metadata"]["name"]: notes[names.ANNOTATION_CONFIG]}
    made = pod(1, "placement")
    made["metadata"]["annotations"] = notes | {"example.com/other": "x"}
    assert trim_pod(made)["metadata"]["annotations"] == {names.ANNOTATION_CONFIG: notes[names.ANNOTATION_CONFIG]}


def test_ready_pods_of_planned_models_are_scraped_and_no_others() -> None:
    loop = Loop()
    stranger, frozen = pod(3, loop.placement), pod(4, loop.placement)
    stranger["metadata"]["labels"]["inferfleet.io/model"] = "other"
    frozen["metadata"]["labels"]["inferfleet.io/class"] = "gone"
    pods = [pod(1, loop.placement), pod(2, loop.placement, ready=False), stranger, frozen]
    assert loop.scaler.urls(pods) == {
        "uid-1": "http://10.0.0.1:8000/metrics",
        "uid-4": "http://10.0.0.4:8000/metrics",
    }


def test_ipv6_addresses_are_bracketed() -> None:
    loop = Loop()
    six = pod(1, loop.placement)
    six["status"]["podIP"] = "fd00::1"
    assert loop.scaler.urls([six]) == {"uid-1": "http://[fd00::1]:8000/metrics"}


def test_load_leads_to_a_decision_that_wakes_the_model_once() -> None:
    loop = Loop()
    pods = [pod(1, loop.placement)]
    woken = []
    for step in range(12):
        woken.append(loop.round(pods, {"uid-1": exposition(arrivals=6 * step, tokens=300 * step)}))
    assert loop.decision.replicas == 2
    assert loop.decision.reason == Reason.DEMAND
    assert KEY in set().union(*woken)


def test_a_pod_that_has_just_become_ready_is_new_and_not_stale() -> None:
    loop = Loop()
    pods = [pod(1, loop.placement)]
    loop.round(pods, {})
    assert loop.decision.reason == Reason.NO_SIGNAL_YET


def test_a_pod_that_never_answers_becomes_stale() -> None:
    loop = Loop()
    for _ in range(12):
        loop.round([pod(1, loop.placement)], {})
    assert loop.decision.reason == Reason.SIGNAL_STALE
    assert not loop.decision.fresh


def test_one_silent_pod_freezes_the_workload_and_its_return_thaws_it() -> None:
    loop = Loop()
    pods = [pod(1, loop.placement), pod(2, loop.placement)]
    both = {"uid-1": exposition(), "uid-2": exposition()}
    loop.round(pods, both)
    for _ in range(10):
        loop.round(pods, {"uid-1": exposition()})
    assert loop.decision.reason == Reason.SIGNAL_STALE
    assert "pod-2" in loop.decision.message
    loop.round(pods, both)
    assert loop.decision.fresh


def test_no_replica_goes_in_the_seconds_before_silence_is_called_stale() -> None:
    loop = Loop()
    pods = [pod(n, loop.placement) for n in (1, 2)]
    loop.scaler.plan(KEY, replicas_of(loop.plan, 2), {})
    idle = {"uid-1": exposition(), "uid-2": exposition()}
    for _ in range(6):
        loop.round(pods, idle)
    assert loop.decision.replicas == 2
    for _ in range(5):
        loop.round(pods, {"uid-1": exposition()})
        assert (loop.decision.replicas, loop.decision.fresh) == (2, True)
    for _ in range(20):
        loop.round(pods, idle)
    assert loop.decision.replicas == 1


def test_garbage_instead_of_metrics_counts_as_silence() -> None:
    loop = Loop()
    pods = [pod(1, loop.placement)]
    loop.round(pods, {"uid-1": exposition()})
    assert loop.hear(pods, {"uid-1": "<html>"}) == 0


def test_a_measured_capacity_is_remembered_by_profile() -> None:
    loop = Loop()
    loop.round([pod(1, loop.placement)], {"uid-1": exposition()})
    assert loop.scaler.capacities() == {loop.target.profile: Measured(100, "Benchmarked")}


def test_the_capacity_of_a_retiring_placement_is_not_taken_for_its_successors() -> None:
    loop = Loop()
    loop.round([pod(1, "00000000")], {"uid-1": exposition()})
    assert loop.scaler.capacities() == {}


def test_a_restart_goes_on_with_the_ledger_and_reports_no_old_news() -> None:
    loop = Loop()
    loop.scaler = Scaler(15)
    loop.scaler.plan(KEY, loop.plan, {loop.target.profile: Measured(77, "Observed")})
    assert loop.scaler.capacities() == {}
    loop.round([pod(1, loop.placement)], {"uid-1": exposition()})
    assert loop.scaler.capacities() == {loop.target.profile: Measured(77, "Observed")}


def test_after_a_restart_under_load_nothing_is_said_before_a_rate_is_known() -> None:
    loop = Loop()
    loop.round([pod(1, loop.placement)], {"uid-1": exposition(arrivals=1000, tokens=50000)})
    assert loop.decision.reason == Reason.NO_SIGNAL_YET
    assert loop.scaler.served(KEY) is None
    loop.round([pod(1, loop.placement)], {"uid-1": exposition(arrivals=1002, tokens=50100)})
    assert loop.scaler.served(KEY) == {"chat": 50.0}


def test_until_a_rate_is_known_pods_are_given_no_more_to_carry_than_they_measured_that_they_can() -> None:
    loop = Loop()
    loop.round([pod(1, loop.placement)], {"uid-1": exposition()})
    assert loop.target.planned_capacity > 100
    assert loop.scaler.demands() == {(KEY, "chat"): loop.target.replicas * 100 * loop.target.utilization}
    loop.round([pod(1, loop.placement)], {"uid-1": exposition()})
    assert loop.scaler.demands() == {(KEY, "chat"): 0}


def test_a_moment_of_unreadiness_does_not_change_the_boot_time() -> None:
    loop = Loop()
    again = pod(1, loop.placement)
    loop.round([again], {"uid-1": exposition()})
    again["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:10:00Z"
    for _ in range(30):
        loop.round([again], {"uid-1": exposition(arrivals=2, waiting=100)})
    assert loop.scaler._boot([again]) == 10


@pytest.mark.parametrize("bad", ["NaN", "+Inf"])
def test_a_pod_that_reports_no_number_counts_as_silent(bad: str) -> None:
    loop = Loop()
    pods = [pod(1, loop.placement)]
    text = exposition().replace(f"{Metric.CAPACITY} 100", f"{Metric.CAPACITY} {bad}")
    assert loop.hear(pods, {"uid-1": text}) == 0
    assert loop.hear(pods, {"uid-1": exposition()}) == 1


def test_declared_demand_holds_until_traffic_is_observed() -> None:
    loop = Loop()
    workloads = [{"class": "chat", "demand": {"requestsPerSecond": 3}, "replicas": {"min": 1, "max": 5}}]
    loop.scaler.plan(KEY, plan(workloads=workloads), {})
    pods = [pod(1, loop.placement)]
    for _ in range(20):
        loop.round(pods, {"uid-1": exposition()})
    assert loop.decision.wanted == 3  # 3 requests of 64 tokens a second, over 80 of 100 tokens/s
    for step in range(40):
        loop.round(pods, {"uid-1": exposition(arrivals=1 + step / 10, tokens=step)})
    assert loop.decision.wanted == 1


def test_a_model_that_goes_while_others_are_decided_about_is_left_out_and_forgotten() -> None:
    loop, other = Loop(), ("default", "other")
    loop.scaler.plan(other, loop.plan, {})
    round_ = loop.scaler.decide([], 1000.0)
    assert next(round_) == (KEY, True)
    loop.scaler.plan(other, None, {})
    assert not any(changed for _, changed in round_)
    assert set(loop.scaler.decisions(KEY)) == {"chat"}
    assert loop.scaler.decisions(other) == {}


@pytest.mark.parametrize(
    ("modality", "one_by_one"), [("Image", True), ("Video", True), ("Audio", True), ("Text", False)]
)
def test_of_pictures_videos_and_speech_seconds_count_and_the_whole_answer(modality: str, one_by_one: bool) -> None:
    found = plan()
    (workload,) = found.workloads
    assert workload.valid
    slo = workload.valid.spec.slo.model_copy(update={"tpot": None, "end_to_end": timedelta(seconds=20)})
    spec = workload.valid.spec.model_copy(update={"modality": modality, "slo": slo})
    asked = replace(found, workloads=(replace(workload, valid=replace(workload.valid, spec=spec)),))
    (target,) = targets(asked).values()
    assert (target.one_by_one, target.whole, target.step) == (one_by_one, 20.0, None)


def test_who_asks_for_token_throughput_gets_it_for_pictures_too() -> None:
    found = plan()
    (workload,) = found.workloads
    assert workload.valid
    scaling = workload.valid.spec.scaling.model_copy(update={"signal": "TokenThroughput"})
    spec = workload.valid.spec.model_copy(update={"modality": "Image", "scaling": scaling})
    asked = replace(found, workloads=(replace(workload, valid=replace(workload.valid, spec=spec)),))
    assert not targets(asked)["chat"].one_by_one


def test_what_may_wait_has_a_time_to_be_done_where_the_others_are_promised_one() -> None:
    def deadline(**slo: Any) -> float | None:
        found = plan()
        (workload,) = found.workloads
        assert workload.valid
        spec = workload.valid.spec.model_copy(update={"slo": Slo(**slo)})
        asked = replace(found, workloads=(replace(workload, valid=replace(workload.valid, spec=spec)),))
        return targets(asked)["chat"].deadline

    second = timedelta(seconds=1)
    assert [deadline(ttft=second), deadline(tpot=second), deadline(end_to_end=second)] == [LATER] * 3
    assert (deadline(), deadline(deadline=timedelta(hours=1))) == (None, 3600.0)


def test_for_another_autoscaler_the_number_is_computed_and_nothing_is_decided() -> None:
    loop = Loop()
    external = {"class": "chat", "placement": make.PIN, "replicas": {"min": 1, "max": 5, "mode": "External"}}
    found = plan(workloads=[external])
    loop.scaler.plan(KEY, found, {})
    (target,) = targets(found, external=True).values()
    pods = [pod(1, target.placement.rsplit("-", 1)[1])]
    for step in range(20):
        loop.round(pods, {"uid-1": exposition(arrivals=6 * step, tokens=384 * step, waiting=9, running=4)})
    assert loop.scaler.computed()[(KEY, "chat")] > 1
    assert loop.scaler.decisions(KEY) == {}


def test_a_model_that_is_gone_is_forgotten() -> None:
    loop = Loop()
    loop.round([pod(1, loop.placement)], {"uid-1": exposition()})
    loop.scaler.plan(KEY, None, {})
    assert loop.scaler.decisions(KEY) == {}
    assert loop.scaler.urls([pod(1, loop.placement)]) == {}


async def test_a_frozen_workload_is_not_scaled() -> None:
    cluster = world(make.node(), make.pool(), make.workload_class(), make.model())
    await Operator(cluster).settle()
    cluster.remove(kinds.WORKLOAD_CLASS, "", "chat")
    seen = observe(KEY, stores(cluster), NOW, 1e9)
    assert seen
    frozen = make_plan(seen, validate(seen, loader.load(), SETTINGS), {})
    assert [p.state for w in frozen.workloads for p in w.placements] == ["Frozen"]
    assert targets(frozen) == {}


def test_what_another_autoscaler_moves_is_computed_and_published_and_decided_nothing_about() -> None:
    loop = Loop()
    elsewhere = plan(
        workloads=make.workloads(replicas={"min": 1, "max": 5, "mode": "External"}, placement=make.PIN),
    )
    assert targets(elsewhere) == {}
    ((other),) = targets(elsewhere, external=True).values()
    loop.scaler.plan(KEY, elsewhere, {})
    pods = [pod(1, other.placement.rsplit("-", 1)[1])]
    for step in range(12):
        loop.round(pods, {"uid-1": exposition(arrivals=6 * step, tokens=300 * step)})
    assert loop.scaler.computed() == {(KEY, "chat"): 2}
    assert loop.scaler.decisions(KEY) == {}
    assert loop.scaler.demands() == {}
    loop.scaler.plan(KEY, None, {})
    assert loop.scaler.computed() == {}


def test_the_last_five_decisions_are_remembered_with_their_figures() -> None:
    loop = Loop()
    pods = [pod(1, loop.placement)]
    arrivals = 0.0
    for step in range(40):
        arrivals += 1 + step
        loop.round(pods, {"uid-1": exposition(arrivals=arrivals, tokens=50 * arrivals)})
    found = loop.scaler.recent(KEY)["chat"]
    assert 2 <= len(found) <= 5
    assert [r.at for r in found] == sorted(r.at for r in found)
    assert all((a.replicas, a.reason) != (b.replicas, b.reason) for a, b in pairwise(found))
    assert found[-1].bound == "utilization of 80%"
    assert found[-1].forecast > 0


def stored(loop: Loop, measured: Measured, *known: Obj) -> Obj | None:
    """The profile that is written, if it is, where these are known."""
    name = loop.target.profile
    obj = profile_objects(loop.plan)[name]
    found = profile_status(obj, measured, ledger(known, NOW, MONTH), NOW, MONTH)
    return obj | {"status": found["status"]} if found else None


def benchmarked() -> Obj:
    """What the pods' own 100 tokens/s are written down as."""
    found = stored(Loop(slo=SLO), Measured(100, "Benchmarked"))
    assert found
    return found


def learning(loop: Loop, rounds: range) -> None:
    """Rounds with one pod, whose steps are slower than planned, at rates that change every minute."""
    done, base, each, prompt = 0.0, 0.045, 0.002, 0.0002
    for number in rounds:
        rate = (0.4, 0.6, 0.9)[number // 30 % 3]
        done += 2 * rate
        load = rate * (64 * each + 48 * prompt)
        running = max(1.0, rate * 64 * base / (1 - load))
        counted = exposition(1000 + done, 64 * (1000 + done), 0, running, 48 * (1000 + done))
        loop.round([pod(1, loop.placement)], {"uid-1": counted})


def capacity(loop: Loop) -> float:
    """Tokens per second that a replica is given."""
    assert loop.decision.need
    found: float = loop.decision.need.capacity
    return found


def test_a_restarted_operator_goes_on_with_the_steps_that_were_learned_and_writes_nothing() -> None:
    before = Loop(benchmarked(), slo=SLO)
    learning(before, range(300))
    measured = before.scaler.capacities()[before.target.profile]
    profile = stored(before, measured, benchmarked())
    assert profile

    after, fresh = Loop(profile, slo=SLO), Loop(benchmarked(), slo=SLO)
    for loop in (before, after, fresh):
        learning(loop, range(300, 305))
    assert capacity(after) == pytest.approx(capacity(before), rel=0.02)
    assert capacity(fresh) != pytest.approx(capacity(before), rel=0.1)
    assert stored(after, after.scaler.capacities()[after.target.profile], profile) is None


def test_what_was_learned_of_one_content_is_not_taken_for_anothers() -> None:
    loop = Loop(benchmarked(), slo=SLO)
    learning(loop, range(300))
    assert loop.scaler.capacities()[loop.target.profile].learned
    other = plan(slo=SLO, variants=[make.model()["spec"]["variants"][0]])
    loop.scaler.plan(KEY, other, {})
    ((target),) = targets(other).values()
    assert target.profile != loop.target.profile
    loop.round([pod(2, target.placement.rsplit("-", 1)[1])], {"uid-2": exposition()})
    assert loop.scaler.capacities()[target.profile].learned is None
