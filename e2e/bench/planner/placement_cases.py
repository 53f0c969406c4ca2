"""Problems of the placement benchmark, from measured tables. Reads the data folder; draws with a fixed seed.

TensorRT-LLM: published maximal throughput by model, length bucket, GPU and tensor parallelism (no latency: batch work).
Silicon: end-to-end points of AIConfigurator's sample, the largest concurrency that meets each class's latency target.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import log
from pathlib import Path

import numpy as np

from inferfleet.placing.types import Demand, Option, Plan, Pool, Problem

BOOKS: Mapping[str, Mapping[str, float]] = {
    "AWS": {"H200": 7.912, "H100": 6.88, "A100-SXM": 3.4309, "A100-PCIe": 3.4309, "L40S": 1.861, "B200": 14.2416},
    "neocloud": {"H200": 1.74, "H100": 1.69, "A100-SXM": 1.10, "A100-PCIe": 1.00, "L40S": 0.70, "B200": 2.34},
}
"""USD per accelerator-hour: AWS us-east-1 on demand of 2026-07 (A100-PCIe is not sold there: as SXM), and total cost of
ownership of 2026 where published (both A100 and L40S are not: assumed). From the folder `gpu_specs_prices`."""
GPUS = {
    "H200_SXM_141GB": "H200",
    "H100_SXM_80GB": "H100",
    "A100_SXM4_80GB": "A100-SXM",
    "A100_PCIE_80GB": "A100-PCIe",
    "L40S": "L40S",
    "b200_sxm": "B200",
    "h200_sxm": "H200",
    "h100_sxm": "H100",
}
MIXES = {"chat": "sharegpt-vicuna", "long": "llama3-1-405b"}
"""Real lengths of requests, from the folder `token_lengths`."""
RATES = {"low": 0.5, "mid": 8.0, "high": 64.0}
"""Requests per second of one model."""
SLO_TPOT = (0.012, 0.02, 0.03, 0.05, 0.1)
SLO_TTFT = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Case:
    """One problem with what tells it apart."""

    name: str
    group: str
    problem: Problem


def trt_cases(data: Path) -> list[Case]:
    """Every model, mix of lengths, rate and price book of the TensorRT-LLM 0.14 tables, pools without end."""
    rows = [r for r in _rows(data / "trtllm_perf_overview/max_throughput.csv") if r["trtllm_version"] == "0.14.0"]
    models = sorted({row["model"] for row in rows if row["gpu"] == "L40S"} | {"Mixtral-8x22B"})
    cases = []
    for model in models:
        mine = [row for row in rows if row["model"] == model]
        buckets = sorted({(int(row["isl"]), int(row["osl"])) for row in mine})
        for mix, file in MIXES.items():
            shares = _histogram(data / f"token_lengths/{file}.csv", buckets)
            for rate, rps in RATES.items():
                cases += [_trt_case((model, mix, rate, book), mine, shares, rps) for book in BOOKS]
    return cases


def _trt_case(
    name: tuple[str, str, str, str], rows: list[dict[str, str]], shares: dict[tuple[int, int], float], rps: float
) -> Case:
    demands = tuple(
        Demand(f"{i}/{o}", share * rps * o, group=name[0]) for (i, o), share in sorted(shares.items()) if share > 0
    )
    wanted = {demand.key for demand in demands}
    speeds: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        key = f"{row['isl']}/{row['osl']}"
        if key in wanted:
            how = (GPUS[row["gpu"]], row["tp"], row["weights_precision"])
            speeds.setdefault(how, {})[key] = float(row["total_output_tok_s"])
    options = tuple(
        Option(f"{gpu} x{tp} {precision}", gpu, speed, BOOKS[name[3]][gpu] * int(tp), accelerators=float(tp))
        for (gpu, tp, precision), speed in sorted(speeds.items())
    )
    pools = tuple(Pool(gpu) for gpu in sorted({option.pool for option in options}))
    return Case(" ".join(name), f"{name[3]} {name[2]}", Problem(demands, options, pools))


def _histogram(file: Path, buckets: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """Share of the requests nearest to each bucket, by the logarithm of both lengths."""
    counts = dict.fromkeys(buckets, 0)
    total = 0
    for row in _rows(file):
        lengths = max(1, int(row["input_length"])), max(1, int(row["output_length"]))
        counts[min(buckets, key=lambda b: sum((log(x) - log(y)) ** 2 for x, y in zip(b, lengths, strict=True)))] += 1
        total += 1
    return {bucket: count / total for bucket, count in counts.items() if count >= 0.005 * total}


def cut(problem: Problem, plan: Plan, share: float) -> Problem:
    """Pools end: those that the plan uses most at that share of it, the others at as many as it uses in all."""
    used = accelerators(problem, plan)
    total = sum(used.values())
    ends = {key: float(int(share * mine)) if mine > total / 4 else total for key, mine in used.items()}
    return replace(problem, pools=tuple(replace(pool, accelerators=ends[pool.key]) for pool in problem.pools))


def accelerators(problem: Problem, plan: Plan) -> dict[str, float]:
    """That a plan uses of each pool."""
    used, options = dict.fromkeys((p.key for p in problem.pools), 0.0), {o.key: o for o in problem.options}
    for placement in plan.placements:
        option = options[placement.key]
        used[option.pool] += placement.replicas * option.accelerators
    return used


def only(problem: Problem, pool: str) -> Problem:
    """With the options of one pool."""
    return replace(problem, options=tuple(option for option in problem.options if option.pool == pool))


def silicon_points(data: Path) -> dict[tuple[str, int, int], list[dict[str, str]]]:
    """Aggregated points of B200, H200 and H100 by (model, input, output), of pairs measured on at least two of them."""
    found: dict[tuple[str, int, int], list[dict[str, str]]] = {}
    for row in _rows(data / "aiconfigurator/silicon_sample.csv"):
        if row["mode"] == "agg" and row["system"] in GPUS and _concurrency(row):
            found.setdefault((row["model_path"], int(row["isl"]), int(row["osl"])), []).append(row)
    return {key: rows for key, rows in sorted(found.items()) if len({row["system"] for row in rows}) > 1}


def silicon_case(points: Mapping[tuple[str, int, int], list[dict[str, str]]], seed: int) -> Case:
    """Twelve workloads of one to three classes each, with latency targets and loads drawn by the seed."""
    rng = np.random.default_rng(seed)
    keys = list(points)
    demands: list[Demand] = []
    options: list[Option] = []
    book = list(BOOKS)[seed % 2]
    for place in sorted(rng.choice(len(keys), size=12, replace=False).tolist()):
        model, isl, osl = keys[place]
        for number in range(int(rng.integers(1, 4))):
            key = f"{model} {isl}/{osl} #{number}"
            slo = float(rng.choice(SLO_TTFT)), float(rng.choice(SLO_TPOT))
            best = _best(points[keys[place]], slo, key, book)
            if best:
                fastest = max(next(iter(option.capacity.values())) for option in best)
                demands.append(Demand(key, fastest * float(np.exp(rng.uniform(log(0.1), log(4.0)))), group=model))
                options += best
    pools = tuple(Pool(gpu) for gpu in ("B200", "H100", "H200"))
    return Case(f"seed {seed}", book, Problem(tuple(demands), tuple(options), pools))


def _best(rows: Iterable[dict[str, str]], slo: tuple[float, float], demand: str, book: str) -> list[Option]:
    """Of each configuration the concurrency with most tokens per second among those that meet the target."""
    best: dict[tuple[str, ...], tuple[float, str, float]] = {}
    for row in rows:
        ttft, tpot = float(row["silicon_ttft_ms"]) / 1e3, float(row["silicon_tpot_ms"]) / 1e3
        if ttft <= slo[0] and tpot <= slo[1]:
            count, osl = _count(row), int(row["osl"])
            speed = _concurrency(row) * osl / (ttft + osl * tpot)
            how = (row["system"], row["backend"], row["precision"], f"{count:g}", row["tp_size"], row["moe_ep_size"])
            if speed > best.get(how, (0.0, "", 0.0))[0]:
                best[how] = (speed, row["system"], count)
    return [
        Option(
            f"{demand} {' '.join(how)}",
            GPUS[system],
            {demand: speed},
            BOOKS[book][GPUS[system]] * count,
            accelerators=count,
        )
        for how, (speed, system, count) in sorted(best.items())
    ]


def _count(row: Mapping[str, str]) -> float:
    """Accelerators: tensor x pipeline x attention data parallel; a size of 0 stands for 1."""
    sizes = [max(1, int(float(row[name] or 1))) for name in ("tp_size", "pp_size", "attention_dp_size")]
    return float(sizes[0] * sizes[1] * sizes[2])


def _concurrency(row: Mapping[str, str]) -> float:
    fields = (part.strip() for part in row["silicon_data_source"].split(";"))
    return next((float(part.split("=")[1]) for part in fields if part.startswith("silicon_concurrency=")), 0.0)


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with file.open(newline="") as lines:
        yield from csv.DictReader(lines)
