"""Replicas that serve exactly as a step line says, without chance: requests as a fluid."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from inferfleet.scaling.signal import PodSample, Window
from inferfleet.scaling.step import Shape, Step, work


@dataclass
class _Pod:
    ready_at: float
    sample: PodSample
    window: Window = ()


@dataclass
class Pods:
    """Requests are spread evenly over the ready ones."""

    step: Step
    shape: Shape
    pods: dict[str, _Pod] = field(default_factory=dict)
    made: int = 0

    def want(self, count: int, now: float, boot: float) -> None:
        """Newest go first; what is missing is ready after its boot."""
        while len(self.pods) > count:
            self.pods.popitem()
        while len(self.pods) < count:
            self.made += 1
            zero = PodSample(now + boot, 0, 0, 0, 0, 0, 0, slots=256, capacity=0, prompted=0, arrived=0)
            self.pods[f"pod-{self.made}"] = _Pod(now + boot, replace(zero, kv_tokens=400_000.0))

    def serve(self, now: float, requests: float) -> None:
        """Until `now`, at so many requests a second in all. What is too much is refused."""
        ready = [p for p in self.pods.values() if p.ready_at < now]
        for pod in ready:
            busiest = 0.9 / work(self.step, self.shape)
            each, old = min(requests / len(ready), busiest), pod.sample
            busy = each * work(self.step, self.shape)
            seconds, running = now - old.at, each * self.shape.output * self.step.base / (1 - busy)
            done = each * seconds
            pod.sample = replace(
                old,
                at=now,
                arrivals=old.arrivals + requests / len(ready) * seconds,
                generated=old.generated + done * self.shape.output,
                finished=old.finished + done,
                finished_tokens=old.finished_tokens + done * self.shape.output,
                prompted=old.prompted + done * self.shape.prompt,
                arrived=old.arrived + requests / len(ready) * seconds * self.shape.prompt,
                running=running,
            )

    def scrape(self, now: float) -> None:
        """Keep a sample of each ready pod."""
        for pod in self.pods.values():
            if pod.ready_at < now:
                pod.window = (*(s for s in pod.window if s.at >= now - 30.0), pod.sample)

    def windows(self, now: float) -> Mapping[str, Window]:
        """Of ready pods that have answered."""
        return {name: p.window for name, p in self.pods.items() if p.window}
