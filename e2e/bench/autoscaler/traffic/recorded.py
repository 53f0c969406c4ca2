"""Logs of requests: Azure's and Mooncake's. Reads one file each."""

import csv
import json
from datetime import datetime
from pathlib import Path

import numpy as np

from inferfleet.sim.types import BLOCK_TOKENS, Floats, Ints, Trace

JITTER = 0.5
"""Seconds that a copy of a request is moved at most, either way: copies at one moment would be batches."""


def azure(file: Path, copies: int, seed: int) -> Trace:
    """Azure's LLM inference trace of 2023 (Splitwise, arXiv:2311.18677), each request `copies` times.

    Replication keeps the relative burstiness of one hour, which is pessimistic for a service `copies` times as large.
    FileNotFoundError where the file is not there.
    """
    with file.open(encoding="utf-8", newline="") as text:
        rows = [row for row in csv.DictReader(text) if row["TIMESTAMP"]]
    moments = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    at = np.array([(moment - moments[0]).total_seconds() for moment in moments])
    tokens = np.array([[int(row["ContextTokens"]), max(1, int(row["GeneratedTokens"]))] for row in rows])
    return replicated(Trace(at, tokens[:, 0], tokens[:, 1]), copies, seed)


def replicated(trace: Trace, copies: int, seed: int) -> Trace:
    """Each request `copies` times, the further ones moved by up to `JITTER` seconds. Pure. Prefixes are dropped."""
    moved = [trace.at, *(_moved(trace.at, seed, copy) for copy in range(1, copies))]
    at = np.concatenate(moved)
    order = np.argsort(at, kind="stable")
    return Trace(at[order], np.tile(trace.input, copies)[order], np.tile(trace.output, copies)[order])


def _moved(at: Floats, seed: int, copy: int) -> Floats:
    moves = np.random.default_rng((seed, copy)).uniform(-JITTER, JITTER, len(at))
    return np.clip(at + moves, 0.0, at[-1] if len(at) else 0.0)


def mooncake(file: Path) -> Trace:
    """Mooncake's traces (arXiv:2407.00079): long prompts with shared prefixes. FileNotFoundError where it is absent."""
    with file.open(encoding="utf-8") as lines:
        rows = sorted((json.loads(line) for line in lines if line.strip()), key=lambda row: row["timestamp"])
    return Trace(
        np.array([row["timestamp"] / 1000.0 for row in rows]),
        np.array([max(1, row["input_length"]) for row in rows], dtype=np.int64),
        np.array([max(1, row["output_length"]) for row in rows], dtype=np.int64),
        tuple(tuple(row["hash_ids"]) for row in rows),
    )


def fresh(trace: Trace) -> Ints:
    """Prompt tokens without the blocks that any request before had: at best these are cached where it goes."""
    if not trace.prefix:
        return trace.input
    seen: set[int] = set()
    found = trace.input.copy()
    for i, blocks in enumerate(trace.prefix):
        known = sum(1 for block in blocks if block in seen)
        found[i] = max(1, found[i] - known * BLOCK_TOKENS)
        seen.update(blocks)
    return found
