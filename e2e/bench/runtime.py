"""`make bench-runtime`: the serving runtime beside a naive server, on this machine. Writes the figures and their page.

All servers start together and are loaded in turns, in a new order in every round, so that what else the machine
does hits all of them alike; factors are taken within a round. Memory is compared with what the planner assumes.
"""

import argparse
import asyncio
import json
import random
import shutil
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from e2e.bench import arms, big, front, memory, prefix_load, record
from e2e.bench.arms import Arm
from e2e.bench.pods import RUN, Pod, configuration, serving
from e2e.bench.prefix_load import Measured
from inferfleet_runtime.engines import cpu

VARIANTS = Path("build/variants")
FACTORS = {
    "wheel": "speedup_wheel",
    "kernels": "speedup_kernels",
    "native": "speedup_native",
    "openvino": "speedup_openvino",
}
PROMISED: Mapping[str, tuple[str, float]] = {
    "speedup_wheel": ("at least", 8),
    "speedup_native": ("at least", 15),
    "speedup_openvino": ("at least", 20),
    "front_ttft_ms_p50": ("at most", 2),
    "front_core_percent_per_1000_tokens_per_second": ("at most", 8),
    "front_tokens_per_second": ("at least", 3000),
    "memory_worst_deviation_percent": ("at most", 10),
}
"""What was promised of the figures."""
Runs = Mapping[str, list[Measured]]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.runtime", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, default=Path("build/models/bench"), help="models; 5 GB")
    parser.add_argument("--only", nargs="*", metavar="ARM", help="some arms, nothing published")
    options = parser.parse_args()
    folder = options.folder.absolute()
    files = weights(folder)
    able = [arm for arm in arms.able(arms.ARMS, builds()) if not options.only or arm.name in options.only]
    runs, held = compare(able, files, folder / "pods", options.rounds)
    drafts = speculation(files, folder, options.rounds) if not options.only else {}
    print(table(able, runs))
    if options.only:
        return
    figures = figures_of(runs, drafts) | held | front.measure()
    parts = (record.conditions(), table(able, runs), _speculation_table(drafts), promises(figures), _flat(figures))
    page = "\n\n".join(parts)
    print(page)
    print(f"written to {record.publish('runtime', figures, page)} and {record.PAGE}")


def builds() -> list[str]:
    """Of llama.cpp, those that `make variants` has left here for this processor; the wheel is always there."""
    if not (VARIANTS / "kernels.so").is_file():
        return [arms.WHEEL]
    flags = cpu.flags(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    built = cpu.build(flags, [folder.parent.name for folder in VARIANTS.glob("*/xllamacpp")])
    return [arms.WHEEL, arms.KERNELS, *([arms.NATIVE] if built.variant != cpu.GENERIC else [])]


def weights(folder: Path) -> dict[str, Path]:
    """The model in every quantization that is served, and the drafts; minutes the first time, then kept."""
    print(f"models in {folder}: 6 GB, made once", flush=True)
    made = big.make(folder)
    files = {"F16": made.target, "draft": made.draft, "stranger": made.stranger}
    for type_ in ("Q8_0", "Q4_0", "Q4_K_S"):
        files[type_] = quantized(made.target, type_)
    for name in ("draft", "stranger"):
        files[name] = quantized(files[name], "Q8_0")
    return files


def quantized(source: Path, type_: str) -> Path:
    """The file in another type, beside it."""
    target = source.with_name(f"{source.stem.removesuffix('-f16')}-{type_.lower()}.gguf")
    if not target.exists():
        command = [*RUN, "quantize", "--source", str(source), "--target", str(target), "--type", type_]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return target


def compare(able: Sequence[Arm], files: Mapping[str, Path], folder: Path, rounds: int) -> tuple[Runs, dict[str, float]]:
    """Runs of every arm, and how its memory compares with the planner's."""
    shutil.rmtree(folder, ignore_errors=True)
    with ExitStack() as stack:
        pods = {}
        for arm in able:
            print(f"starting {arm.name}", flush=True)
            pods[arm.name] = stack.enter_context(start(arm, files, folder))
        runs: dict[str, list[Measured]] = {arm.name: [] for arm in able}
        for number in range(rounds):
            for arm in random.Random(number).sample(list(able), len(able)):
                found = run(arm, pods[arm.name], number)
                runs[arm.name].append(found)
                print(f"round {number + 1} {arm.name}: {found.tokens_per_second:.1f} tok/s", flush=True)
        return runs, memory.ratios(able, pods)


def start(arm: Arm, files: Mapping[str, Path], folder: Path) -> Any:
    """Its pod, as a context."""
    config = configuration(files[arm.file], **arm.changes)
    return serving(folder, arm.name, config, {"INFERFLEET_ENGINE_DIR": str(_engines(arm.build, folder))})


def _engines(build: str, folder: Path) -> Path:
    """A folder with this build of llama.cpp and no better one."""
    if build == arms.NATIVE:
        return VARIANTS.absolute()
    engines = folder / "engines" / build
    engines.mkdir(parents=True, exist_ok=True)
    kernels = engines / "kernels.so"
    if build == arms.KERNELS and not kernels.exists():  # written again it would change under an engine that runs
        shutil.copy(VARIANTS / kernels.name, kernels)
    return engines


def run(arm: Arm, pod: Pod, number: int) -> Measured:
    """One run; the prompts of a round are the same for all arms."""
    return asyncio.run(prefix_load.run(pod.url, arm.requests, arm.at_once, number, primed=arm.primed))


def speculation(files: Mapping[str, Path], folder: Path, rounds: int) -> dict[str, tuple[Runs, float]]:
    """Runs without and with a draft, and its acceptance: one that agrees, and one that knows nothing."""
    found: dict[str, tuple[Runs, float]] = {}
    for name in ("draft", "stranger"):
        pair = arms.draft(name, files[name], builds()[-1])
        shutil.rmtree(folder / "pods", ignore_errors=True)
        with ExitStack() as stack:
            pods = {arm.name: stack.enter_context(start(arm, files, folder / "pods")) for arm in pair}
            runs: dict[str, list[Measured]] = {arm.name: [] for arm in pair}
            for number in range(rounds):
                for arm in pair:
                    runs[arm.name].append(run(arm, pods[arm.name], number))
            found[name] = runs, _acceptance(pods[pair[1].name])
            print(f"speculation with {name}: {_ratio(runs):.2f}x at {found[name][1]:.0%} acceptance", flush=True)
    return found


def _acceptance(pod: Pod) -> float:
    drafted = pod.metric("vllm:spec_decode_num_draft_tokens_total")
    return pod.metric("vllm:spec_decode_num_accepted_tokens_total") / drafted if drafted else 0.0


def figures_of(runs: Runs, drafts: Mapping[str, tuple[Runs, float]]) -> dict[str, float]:
    """The flat record: medians over the rounds, factors within a round."""
    figures: dict[str, float] = {
        f"tokens_per_second_{name}": round(statistics.median(r.tokens_per_second for r in found), 1)
        for name, found in runs.items()
    }
    figures |= {key: round(statistics.median(factors(runs, name)), 2) for name, key in FACTORS.items() if name in runs}
    for name, (found, acceptance) in drafts.items():
        figures |= {f"speedup_{name}_model": round(_ratio(found), 2), f"acceptance_{name}_model": round(acceptance, 3)}
    return figures


def factors(runs: Runs, name: str) -> list[float]:
    """Of an arm over the naive one, round by round."""
    pairs = zip(runs[name], runs[arms.NAIVE.name], strict=True)
    return [fast.tokens_per_second / naive.tokens_per_second for fast, naive in pairs]


def _ratio(runs: Runs) -> float:
    plain, drafted = runs.values()
    return statistics.median(d.tokens_per_second / p.tokens_per_second for p, d in zip(plain, drafted, strict=True))


def table(able: Sequence[Arm], runs: Runs) -> str:
    """Of all arms; the factor needs the naive one."""
    rows = []
    for arm in able:
        speeds = [r.tokens_per_second for r in runs[arm.name]]
        cached = statistics.median(r.cached for r in runs[arm.name]) / arm.requests
        times = factors(runs, arm.name) if arms.NAIVE.name in runs else []
        factor = f"{statistics.median(times):.1f}x ({min(times):.1f} to {max(times):.1f})" if times else "-"
        spread = f"{statistics.median(speeds):.1f} ({min(speeds):.1f} to {max(speeds):.1f})"
        rows.append((arm.words, arm.at_once, spread, factor, f"{cached:.0f} of 288"))
    return record.table(("serving", "at once", "output tokens/s", "beside naive", "cached prompt tokens"), rows)


def _speculation_table(drafts: Mapping[str, tuple[Runs, float]]) -> str:
    rows = [(name, f"{acceptance:.0%}", f"{_ratio(runs):.2f}x") for name, (runs, acceptance) in drafts.items()]
    return record.table(("speculation, one request at a time", "accepted", "beside none"), rows)


def promises(figures: Mapping[str, float]) -> str:
    """What was promised beside what was measured, misses included."""
    rows = []
    for name, (bound, value) in PROMISED.items():
        found = figures.get(name)
        kept = found is not None and (found >= value if bound == "at least" else found <= value)
        verdict = "not measured here" if found is None else "kept" if kept else "missed"
        rows.append((f"`{name}`", f"{bound} {value:g}", "-" if found is None else f"{found:g}", verdict))
    return record.table(("figure", "promised", "measured", ""), rows)


def _flat(figures: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(figures, indent=2)}\n```"


if __name__ == "__main__":
    main()
