"""`make bench-quality`: what every quantization of the project's own model loses and gains. Writes figures and a page.

The first fifth of the held-out text is what the importance matrix is measured on, the rest is what is scored.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from e2e.bench.record import ROOT, conditions, with_section
from e2e.models.stdlib.heldout import HERE, TEXT
from inferfleet_runtime import logs
from inferfleet_runtime.evaluate import activations, evidence
from inferfleet_runtime.evaluate.command import Clock, Evaluation, Speculate, evaluate
from inferfleet_runtime.evaluate.llama import llama
from inferfleet_runtime.evaluate.quality import Reading
from inferfleet_runtime.weights.quantizing.job import Job, quantize
from inferfleet_runtime.weights.quantizing.recipes import RECIPES

PAGE = Path("docs/quantization.md")
MODEL, DRAFT = HERE / "stdlib.gguf", HERE / "stdlib-draft.gguf"
_CALIBRATION = 1 / 5
_AHEAD = (1, 2, 4)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench.quality", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/models/quality"), help="for the files; 150 MB")
    parser.add_argument("--windows", type=int, default=40, help="of 512 tokens, scored; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="of measuring speed; default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="of the engine; default: %(default)s")
    parser.add_argument("--only", nargs="*", metavar="TYPE", default=list(RECIPES), help="then nothing is published")
    options = parser.parse_args()
    logs.configure()
    options.folder.mkdir(parents=True, exist_ok=True)
    calibration, scored = split(TEXT.read_bytes(), options.folder)
    files = made(options.folder, calibration, options.only, options.threads)
    wanted = Evaluation(
        baseline=MODEL,
        models=tuple(files),
        text=scored,
        threads=options.threads,
        max_windows=options.windows,
        rounds=options.rounds,
        speculate=Speculate(DRAFT if DRAFT.is_file() else None, ahead=_AHEAD),
    )
    found = evaluate(wanted, Clock(time.monotonic, datetime.now(UTC).date().isoformat()))
    print(page(found))
    if options.only == list(RECIPES):
        publish(found)


def split(text: bytes, folder: Path) -> tuple[Path, Path]:
    """Two files: what activations are measured on, and what is scored. Cut at a line's end."""
    end = text.index(b"\n", int(len(text) * _CALIBRATION)) + 1
    calibration, scored = folder / "calibration.txt", folder / "scored.txt"
    calibration.write_bytes(text[:end])
    scored.write_bytes(text[end:])
    return calibration, scored


def made(folder: Path, calibration: Path, types: Sequence[str], threads: int) -> list[Path]:
    """The model in each type; minutes the first time, then kept while the model is the same."""
    importance = folder / "importance.gguf"
    with llama() as engine:
        activations.measure(engine, MODEL, Reading(calibration.read_bytes(), 512, threads), importance)
    files = [folder / f"{name}.gguf" for name in types]
    for name, file in zip(types, files, strict=True):
        # only those that must have it: the others are what a pod makes of the weights alone
        weighed = importance if RECIPES[name].needs_importance else None
        quantize(Job(MODEL, file, name, threads, weighed), time.monotonic)
    return files


def page(found: Mapping[str, Any]) -> str:
    """The page's section."""
    about = found["conditions"]
    read = (
        f"{about['scoredTokens']} tokens ({about['scoredBytes']} bytes) of `heldout.txt` scored, in {about['windows']} "
        f"windows of {about['windowTokens']} tokens; {about['engine']}, {about['threads']} thread; speed: "
        f"{about['speedPromptTokens']} prompt and {about['speedOutputTokens']} output tokens of one request, median of "
        f"{about['speedRounds']} interleaved rounds."
    )
    tables = (evidence.table(found["models"]), evidence.speculation_table(found["speculation"]))
    return "\n\n".join((f"{conditions()} {read}", *tables))


def publish(found: Mapping[str, Any], root: Path = ROOT) -> None:
    """Write `build/bench/quality.json`, flat, the whole evidence beside it, and the page."""
    folder = root / "build/bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quality.json").write_text(json.dumps(figures(found), indent=2) + "\n", encoding="utf-8")
    (folder / "quality-evidence.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    document = root / PAGE
    document.write_text(with_section(document.read_text(), "quality", page(found)))
    print(f"written to {folder / 'quality.json'} and {PAGE}")


def figures(found: Mapping[str, Any]) -> dict[str, float]:
    """One flat object. Pure."""
    wanted = ("perplexityPerToken", "perplexityPerByte", "nextTokenAccuracy", "topOneAgreement", "lossPercent")
    flat: dict[str, float] = {"scored_tokens": found["conditions"]["scoredTokens"]}
    for model in found["models"]:
        flat |= {f"{model['quantization'].lower()}_{_snake(key)}": model[key] for key in (*wanted, "bytes")}
    for way in found["speculation"]:
        name = f"{way['method'].lower()}_{way['tokens']}"
        flat |= {f"{name}_{_snake(key)}": way[key] for key in ("acceptance", "tokensPerStep")}
    return flat


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


if __name__ == "__main__":
    main()
