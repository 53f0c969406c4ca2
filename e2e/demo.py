"""`make demo`: the whole idea on a real Kubernetes, told step by step. Writes its figures below build/."""

import argparse
import asyncio
import json
import os
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

from e2e import install, load
from e2e.access import reach
from e2e.cluster import provider
from e2e.cluster.binaries import default_cache
from e2e.cluster.provider import Cluster
from e2e.cluster.shell import ClusterError
from e2e.cluster.spec import check_network

ROOT = Path(__file__).parents[1]
NAMESPACE, MODEL, CLASS = "demo", "demo", "chat"
SERVICE = f"{MODEL}-{CLASS}"
QUESTION = "Write the function `def write(self, data):`"
"""In the words of the model's training: it knows Python's library and nothing else."""
CLIENTS = 12
READY_SECONDS, OUT_SECONDS, IN_SECONDS = 300.0, 240.0, 240.0
"""Patience: a machine may be slow, but not for ever."""


@dataclass
class Story:
    """What is told at the end."""

    began: float
    """On the monotonic clock."""
    figures: dict[str, Any] = field(default_factory=dict)

    def say(self, sentence: str) -> None:
        """One line of progress with the seconds since the start."""
        print(f"[{time.monotonic() - self.began:6.1f} s] {sentence}", flush=True)

    def chapter(self, title: str) -> None:
        """A new step."""
        print(f"\n== {title}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one message."""
    parser = argparse.ArgumentParser("python -m e2e.demo", description=__doc__)
    parser.add_argument("--name", default="inferfleet", help="name of the cluster (default: inferfleet)")
    parser.add_argument("--dir", type=Path, help="state folder of the cluster (default: build/clusters/NAME)")
    parser.add_argument("--api-port", type=int, help="port of the API server (default: 6443)")
    parser.add_argument("--network", help="a free /16 for the cluster (default: one is found)")
    parser.add_argument("--out", type=Path, help="the figures (default: build/demo.json, or demo-NAME.json)")
    args = parser.parse_args(argv)
    try:
        network = check_network(args.network) if args.network else None
        options = provider.Options(args.name, args.dir, network=network, api_port=args.api_port)
        tell(options, args.out or figures_file(args.name))
    except openai.OpenAIError as wrong:
        print(f"error: the model did not answer as it should: {' '.join(str(wrong).split())}", file=sys.stderr)
        return 1
    except (ClusterError, TimeoutError) as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; `make demo` goes on from here, `make down` removes everything", file=sys.stderr)
        return 130
    return 0


def figures_file(name: str) -> Path:
    """Where the figures of a cluster's demo go by default. Pure."""
    return ROOT / "build" / ("demo.json" if name == provider.Options.name else f"demo-{name}.json")


def began(environ: Mapping[str, str]) -> float:
    """Start on the monotonic clock; `make` says when it began, for the virtual environment counts too. Reads clocks."""
    started = environ.get("INFERFLEET_STARTED")
    return time.monotonic() - (max(0.0, time.time() - float(started)) if started else 0.0)


def built() -> set[Path]:
    """Binaries and images that were built so far. Reads."""
    cache = default_cache(os.environ)
    return {path for folder in ("bin", "images") for path in (cache / folder).glob("[!.]*")}


def tell(options: provider.Options, out: Path) -> None:
    """All chapters in order."""
    story, before = Story(began(os.environ)), built()
    cluster = prepare(story, options)
    story.figures["cold"] = bool(built() - before)
    declare(story, cluster)
    with reach(cluster, NAMESPACE, SERVICE) as url:
        ask(story, url)
        show(story, cluster)
        rest(story, cluster)
        asyncio.run(scale_out(story, cluster, url))
    scale_in(story, cluster)
    finish(story, options, out)


def prepare(story: Story, options: provider.Options) -> Cluster:
    """Cluster, images, charts."""
    story.chapter("A Kubernetes cluster")
    cluster = provider.up(options, say=story.say)
    story.say(f"the cluster is up: {cluster.name} ({cluster.provider}); KUBECONFIG={cluster.kubeconfig}")
    story.chapter("Images and charts")
    found = install.load_images(cluster, say=story.say)
    install.install(cluster, found, story.say)
    return cluster


def declare(story: Story, cluster: Cluster) -> None:
    """The quickstart's YAML, until the Model is Ready."""
    story.chapter("Two hardware pools, a workload class and a model: kubectl apply -f examples/quickstart")
    install.apply(cluster, ROOT / "examples" / "quickstart", NAMESPACE)
    deadline, last = time.monotonic() + READY_SECONDS, ""
    while time.monotonic() < deadline:
        ready = condition(cluster, "Ready")
        if (line := f"Ready={ready.get('status')}: {ready.get('reason')}: {ready.get('message')}") != last and ready:
            story.say(last := line)
        if ready.get("status") == "True":
            story.say(f"the operator chose {condition(cluster, 'Planned')['message']}")
            return
        time.sleep(1)
    raise TimeoutError(f"the Model is not Ready after {READY_SECONDS:.0f} s; last word: {last}")


def ask(story: Story, url: str) -> None:
    """One question with the official client, streamed."""
    story.chapter(f"A question over the OpenAI API: {QUESTION!r}")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", timeout=120)
    asked, first, words = time.monotonic(), 0.0, []
    stream = client.chat.completions.create(
        model=f"{NAMESPACE}/{MODEL}",
        messages=[{"role": "user", "content": QUESTION}],
        max_tokens=96,
        temperature=0.0,
        stream=True,
    )
    for chunk in stream:
        text = chunk.choices[0].delta.content if chunk.choices else None
        if text:
            first = first or time.monotonic()
            words.append(text)
    if not words:
        raise ClusterError(f"the model {NAMESPACE}/{MODEL} answered with nothing")
    story.figures |= {"answer": "".join(words), "ttft_ms": round((first - asked) * 1000, 1)}
    story.say("the answer of a model of 10 million parameters, which the project trained in an hour:")
    print(textwrap.indent(story.figures["answer"], "    "))
    story.say(f"time to first token {story.figures['ttft_ms']} ms")


def show(story: Story, cluster: Cluster) -> None:
    """The four kinds as kubectl shows them."""
    story.chapter("kubectl get models,workloadclasses,hardwarepools,capacityprofiles")
    for kind in ("models", "workloadclasses", "hardwarepools", "capacityprofiles"):
        print(cluster.kubectl("get", kind, "--all-namespaces", "-o", "wide") or f"no {kind} yet")
    why = json.loads(cluster.kubectl("get", "model", MODEL, "--namespace", NAMESPACE, "-o", "json"))["status"]
    for rejected in why.get("rejected", []):
        story.say(f"not {rejected['variant']} on {rejected['pool']}: {rejected['reason']}: {rejected['message']}")


async def scale_out(story: Story, cluster: Cluster, url: str) -> None:
    """Load until a second replica serves, and a little longer to see what both do."""
    story.chapter(f"Load: {CLIENTS} clients at once, until the operator scales out on tokens per second")
    wanted = load.Load((url,), f"{NAMESPACE}/{MODEL}", CLIENTS, 48, 64, OUT_SECONDS)
    story.figures["max_replicas"] = 0  # what served before the load does not count
    stop = asyncio.Event()
    running = asyncio.create_task(load.run(wanted, stop))
    try:
        await _watch_growth(story, cluster, running)
        await asyncio.sleep(10)
    finally:
        stop.set()
    result = await running
    speed = round(result.tokens_per_second, 1)
    story.figures["tokens_per_second"] = speed
    story.say(
        f"{result.requests} requests, {speed} tokens/s, TTFT p50 {result.ttft_p50 * 1000:.0f} ms, "
        f"{result.rejected} refused with 429, {result.failed} failed"
    )


async def _watch_growth(story: Story, cluster: Cluster, running: "asyncio.Task[load.Result]") -> None:
    last = ""
    while not running.done():
        model = await asyncio.to_thread(_model, cluster)
        count = serving(story, model)
        if (line := _scaling(model)) != last:
            story.say(last := line)
        if count >= 2:
            return
        await asyncio.sleep(1)
    raise TimeoutError(f"no second replica after {OUT_SECONDS:.0f} s of load; last word: {last}")


def scale_in(story: Story, cluster: Cluster) -> None:
    """Silence, until the replicas are back at the minimum."""
    story.chapter("No load: replicas go when they were not needed for the class's scaleInDelay and a boot time")
    story.figures["final_replicas"] = rest(story, cluster)


def rest(story: Story, cluster: Cluster) -> int:
    """Until the replicas are at the minimum: before the load too, for a demo that was interrupted leaves more."""
    deadline, last = time.monotonic() + IN_SECONDS, ""
    while time.monotonic() < deadline:
        model = _model(cluster)
        placements = model["status"]["placements"]
        serving(story, model)
        replicas, ready = sum(p["replicas"] for p in placements), sum(p["ready"] for p in placements)
        if (line := _scaling(model)) != last:
            story.say(last := line)
        if replicas == ready == model["spec"]["workloads"][0]["replicas"]["min"]:
            return int(ready)
        time.sleep(1)
    raise TimeoutError(f"replicas are not at the minimum after {IN_SECONDS:.0f} s; last word: {last}")


def finish(story: Story, options: provider.Options, out: Path) -> None:
    """Summary, figures, and what to do next with this very cluster."""
    named = f" --name {options.name}" if options.name != provider.Options.name else ""
    folder = f" --dir {options.folder}" if options.folder else ""
    story.figures["seconds"] = round(time.monotonic() - story.began, 1)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(story.figures, indent=2) + "\n")
    story.chapter("Done")
    for name, value in story.figures.items():
        print(f"  {name:18} {value}")
    print(f"\nFigures are in {out}. The cluster keeps running; look around:\n")
    print(f'  eval "$(build/venv/bin/python -m e2e.cluster env{named}{folder})"')
    print("  kubectl get inferfleet --all-namespaces")
    print(f"  kubectl describe model {MODEL} --namespace {NAMESPACE}\n")
    print("Remove everything with `make down`" + (" and the same NAME or DIR." if named or folder else "."))


def condition(cluster: Cluster, type_: str) -> dict[str, str]:
    """One condition of the demo's Model; empty before the operator wrote it."""
    for found in _model(cluster).get("status", {}).get("conditions", []):
        if found["type"] == type_:
            return dict(found)
    return {}


def _model(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "model", MODEL, "--namespace", NAMESPACE, "-o", "json"))
    return found


def serving(story: Story, model: dict[str, Any]) -> int:
    """Replicas that are wanted and ready; the figures keep the most."""
    count: int = sum(min(p["ready"], p["replicas"]) for p in model["status"]["placements"])
    story.figures["max_replicas"] = max(count, story.figures.get("max_replicas", 0))
    return count


def _scaling(model: dict[str, Any]) -> str:
    status = model["status"]
    why = next((f"{s['reason']}: {s['message']}" for s in status.get("scaling", [])), "no decision yet")
    return f"replicas {status['summary']['replicas']}; {why}"


if __name__ == "__main__":
    sys.exit(main())
