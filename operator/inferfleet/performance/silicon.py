"""Rows of measured deployments, as the silicon sample of aiconfigurator writes them: to setups and loads. Pure.

Its columns tp_size, attention_dp_size, moe_tp_size and moe_ep_size come from several sources that count differently;
`_parallelism` says how they are read. Errors name the line and the column.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

from inferfleet.catalog.hardware_entries import Accelerator
from inferfleet.catalog.loader import Catalog
from inferfleet.catalog.model_entries import ModelArchitecture
from inferfleet.performance.shape import UNMARKED
from inferfleet.performance.types import Load, Parallelism, Run, Setup, Speculation

COLUMNS = ("backend", "model_path", "system", "precision", "mode", "isl", "osl", "batch_size", "tp_size")
"""Without which a row cannot be understood."""
LABEL = (
    "backend",
    "model_path",
    "system",
    "precision",
    "tp_size",
    "pp_size",
    "attention_dp_size",
    "moe_tp_size",
    "moe_ep_size",
)
ENGINES: Mapping[str, str] = {"trtllm": "tensorrt-llm", "vllm": "vllm", "sglang": "sglang"}
SYSTEMS: Mapping[str, str] = {
    "a100_sxm": "nvidia-a100-80gb",
    "h100_sxm": "nvidia-h100-80gb",
    "h200_sxm": "nvidia-h200-141gb",
    "b200_sxm": "nvidia-b200-180gb",
    "b300_sxm": "nvidia-b300-288gb",
    "gb200": "nvidia-b200-180gb",
    "gb300": "nvidia-b300-288gb",
    "l40s": "nvidia-l40s",
    "l4": "nvidia-l4",
    "mi300x": "amd-mi300x",
}
GRACE = ("gb200", "gb300")
"""Blackwell beside Grace processors: about an eighth more arithmetic and 4 % more bandwidth than on its own board."""
MODELS: Mapping[str, str] = {"kimi-k2.5": "kimi-k2", "deepseek-v3.1": "deepseek-v3", "deepseek-v3-0324": "deepseek-v3"}
"""Releases with the architecture of another entry."""
FASTER = (("1.2.0rc6.post3", ""), ("1.1.0rc2.post2", "2026-01-14"))
"""Versions and days of TensorRT-LLM whose rows of DeepSeek-R1 are up to twice as fast as their neighbours: almost
surely multi-token prediction, which nothing marks. No day: all."""
GUESSED = Speculation(UNMARKED, 1, 0.85)
"""One token ahead, of which 85 to 90 % hold (arXiv:2412.19437, section 5.4.3)."""
RELEASED: Mapping[str, str] = {
    "1.0.0rc3": "2025-07-15",
    "0.5.1.post1": "2025-08-24",
    "0.5.6.post2": "2025-12-11",
    "0.5.8.post1": "2026-02-05",
    "0.12.0": "2025-12-03",
}
"""About the day of versions in rows that have none."""
SWEEP = re.compile(r"db-dump/|source_file=\d{4}-\d\d-\d\d\.csv")
"""Sources that send ten rounds in a closed loop; others say nothing."""
RACK = ("gb200", "gb300")
NODE = 8


class RowError(ValueError):
    """A row that cannot be understood: line, column and what was wrong."""


@dataclass(frozen=True)
class Row:
    """One deployment and, where it was measured, how fast it was. Milliseconds became seconds."""

    id: str
    setup: Setup
    load: Load
    model_path: str
    system: str
    precision: str
    version: str
    measured: str
    """Day of the measurement, ISO 8601; empty: not known."""
    ttft: float | None
    tpot: float | None
    brief: bool = False
    label: tuple[str, ...] = ()
    """Backend, model, system, precision and sizes as the row gives them: what the sample calls a configuration."""

    @property
    def config(self) -> tuple[str, ...]:
        """Backend, model, system, precision and parallelism: what is deployed."""
        spread = self.setup.parallelism
        sizes = (spread.tensor, spread.pipeline, spread.data, spread.expert)
        return (self.setup.engine, self.model_path, self.system, self.precision, *map(str, sizes))

    @property
    def run(self) -> Run:
        """What tells apart measurements of one configuration."""
        return Run(self.version, self.measured or RELEASED.get(self.version, ""), self.brief)

    @property
    def cell(self) -> tuple[str, ...]:
        """A configuration under one load."""
        load = self.load
        return (*self.config, str(load.input_tokens), str(load.output_tokens), str(load.concurrency))


def read_rows(lines: Iterable[Mapping[str, str]], catalog: Catalog) -> list[Row]:
    """Aggregated deployments of the sample; disaggregated ones (`mode` disagg) are left out.

    Raises RowError.
    """
    found = []
    for number, raw in enumerate(lines, 2):
        if number == 2 and (missing := [name for name in COLUMNS if name not in raw]):
            raise RowError(f"line 1: no column {', '.join(missing)}: needed are {', '.join(COLUMNS)}")
        if raw["mode"] in ("agg", ""):
            found.append(_row(number, raw, catalog))
    return found


def _row(line: int, raw: Mapping[str, str], catalog: Catalog) -> Row:
    model = _model(line, raw["model_path"], catalog)
    accelerator = _accelerator(line, raw["system"], catalog)
    if raw["backend"] not in ENGINES:
        raise RowError(f"line {line}, backend: {raw['backend']!r} is not one of {', '.join(ENGINES)}")
    precision = _precision(raw, model)
    source = raw.get("silicon_data_source", "")
    version = raw.get("backend_version", "")
    day = _first(r"measured=(\d{4}-\d\d-\d\d)", source)
    setup = Setup(
        model=model,
        quantization=catalog.quantizations[precision],
        accelerator=accelerator,
        engine=ENGINES[raw["backend"]],
        parallelism=_parallelism(line, raw),
        kv_bytes_per_element=_kv_bytes(precision),
        speculation=GUESSED if _guesses(raw, day) else None,
        apart=_apart(raw),
    )
    return Row(
        id=raw.get("id", str(line)),
        setup=setup,
        load=Load(_integer(line, raw, "isl"), _integer(line, raw, "osl"), _concurrency(line, raw, source)),
        model_path=raw["model_path"],
        system=raw["system"],
        precision=precision,
        version=version,
        measured=day,
        ttft=_measured(line, raw, "silicon_ttft_ms"),
        tpot=_measured(line, raw, "silicon_tpot_ms"),
        brief=not SWEEP.match(source),
        label=tuple(raw.get(name, "") for name in LABEL),
    )


def _guesses(raw: Mapping[str, str], day: str) -> bool:
    if (raw["backend"], _name(raw["model_path"])) != ("trtllm", "deepseek-r1"):
        return False
    return any(raw.get("backend_version", "") == version and said in ("", day) for version, said in FASTER)


def _apart(raw: Mapping[str, str]) -> bool:
    """Racks that are said to split attention beyond a node: the accelerators of disaggregated workers, summed up."""
    sizes = [_size(raw, name) for name in ("tp_size", "attention_dp_size", "moe_ep_size")]
    return raw["system"] in RACK and sizes[0] > NODE and sizes[1:] == [1, 1]


def _size(raw: Mapping[str, str], column: str) -> int:
    text = raw.get(column) or ""
    return max(1, int(text)) if text.isdigit() else 1


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1].lower()


def _model(line: int, path: str, catalog: Catalog) -> ModelArchitecture:
    """By the longest entry whose name the path begins with."""
    name = _name(path)
    name = next((entry for release, entry in MODELS.items() if name.startswith(release)), name)
    known = [entry for entry in catalog.models if name == entry or name.startswith(f"{entry}-")]
    if not known:
        raise RowError(
            f"line {line}, model_path: {path!r} is no model of the catalog; `inferfleet catalog models` lists"
        )
    return catalog.models[max(known, key=len)]


def _accelerator(line: int, system: str, catalog: Catalog) -> Accelerator:
    entry = catalog.accelerators.get(SYSTEMS.get(system, system))
    if entry is None:
        raise RowError(f"line {line}, system: {system!r} is not one of {', '.join(SYSTEMS)} nor an accelerator's name")
    if system not in GRACE:
        return entry
    faster = {kind: value * 10 / 9 if isinstance(value, float) else value for kind, value in entry.operations.items()}
    return entry.model_copy(
        update={"name": system, "operations": faster, "memory_bandwidth": 8e12, "tdp_watts": 1200.0}
    )


def _precision(raw: Mapping[str, str], model: ModelArchitecture) -> str:
    """The catalog's name of the format; weights of gpt-oss are MXFP4 whatever a row says."""
    if model.name.startswith("gpt-oss"):
        return "MXFP4"
    said, experts = raw["precision"], raw.get("moe_quant_mode", "")
    if said == "fp4" or "nvfp4" in _name(raw["model_path"]):
        return "NVFP4"
    if said == "int4":
        return "INT4-AWQ"
    if said == "fp8" or _name(raw["model_path"]).endswith("fp8"):
        return "FP8-BLOCK" if experts == "fp8_block" else "FP8"
    return "BF16"


def _kv_bytes(precision: str) -> float:
    """No column says it; where queues show how many requests fit, 8 bits go with weights and activations of 8 or 4."""
    return 2.0 if precision in ("BF16", "MXFP4", "INT4-AWQ") else 1.0


def _parallelism(line: int, raw: Mapping[str, str]) -> Parallelism:
    """Some sources give the product of tensor and expert ranks as tp_size (64 is 8 x 8 on 8 accelerators)."""
    tensor, data = _integer(line, raw, "tp_size", 1), _integer(line, raw, "attention_dp_size", 1)
    experts, expert_tensor = _integer(line, raw, "moe_ep_size", 1), _integer(line, raw, "moe_tp_size", 1)
    pipeline = _integer(line, raw, "pp_size", 1)
    said = raw.get("attention_dp_size", "") not in ("", "0")
    if said and experts > 1 and expert_tensor > 1 and tensor * data == expert_tensor * experts:
        total = expert_tensor
    elif said and tensor == data > 1 and experts == tensor * data:
        total = tensor
    else:
        total = max(tensor * data, expert_tensor * experts)
    if _apart(raw):
        return Parallelism(1, pipeline, total, total)
    if data > 1 and total % data:
        data = total
    spread = total if data > 1 and tensor == 1 else min(data, total) if tensor * data <= total else 1
    return Parallelism(max(1, total // spread), pipeline, min(experts, total), spread)


def _concurrency(line: int, raw: Mapping[str, str], source: str) -> int:
    """Of one replica: batch_size is that of one attention rank, silicon_concurrency sums over replicas."""
    ranks = _integer(line, raw, "attention_dp_size", 1)
    batch, said = _integer(line, raw, "batch_size"), _first(r"silicon_concurrency=(\d+)", source)
    return int(said) if said and ceil(int(said) / ranks) == batch else batch * ranks


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _integer(line: int, raw: Mapping[str, str], column: str, default: int | None = None) -> int:
    """Sizes of 0 and empty ones are the default."""
    text = raw.get(column) or ""
    if default is not None and text in ("", "0", "0.0"):
        return default
    try:
        value = int(float(text))
    except ValueError:
        value = 0
    if value < 1:
        raise RowError(f"line {line}, {column}: {text!r} is not a whole number above 0")
    return value


def _measured(line: int, raw: Mapping[str, str], column: str) -> float | None:
    text = raw.get(column) or ""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise RowError(f"line {line}, {column}: {text!r} is not a number of milliseconds above 0")
    return value / 1000
