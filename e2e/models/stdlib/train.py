"""Trains the project's own small model. Writes checkpoints and a log to the folder it is told to.

On Debian: `apt-get install libpython3.11-stdlib python3.11-doc`, `pip install .[train,dev]`, then
`python -m e2e.models.stdlib.train --out build/stdlib` and `python -m e2e.models.stdlib.export build/stdlib`.
A run that was stopped goes on from its last checkpoint. The same seed, threads and torch give the same model.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from e2e.models.stdlib import bpe, corpus
from e2e.models.stdlib.batches import Library, Tokens, batches, library, rows
from e2e.models.stdlib.network import SHAPES, Llama

STEP_TOKENS, MICRO_TOKENS = 8192, 2048
"""Tokens per step, and those that go through the network at once."""
SHORT, LONG_STEPS = 512, 80
"""Rows are this many tokens, for speed, except in the last steps, when they are the whole context."""
MATRIX_RATE, OTHER_RATE = 0.02, 0.003
"""Peak learning rates: Muon's for the blocks' matrices, AdamW's for the embedding and the norms."""
DECAY = 0.05
WARM_UP, COOL_DOWN = 0.03, 0.5
"""Shares of the steps in which the rate rises from 0 and falls to 0, both linearly."""
SAVE_EVERY, JUDGE_EVERY, JUDGED_ROWS = 50, 100, 48


@dataclass(frozen=True)
class Plan:
    """How a run goes, by its command line."""

    shape: str
    steps: int
    seed: int
    device: str


@dataclass
class Run:
    """A run's state: what a checkpoint holds, and the log."""

    plan: Plan
    model: Llama
    optimizers: tuple[torch.optim.Optimizer, ...]
    out: Path
    step: int = 0

    @property
    def checkpoint(self) -> Path:
        """The file that the run goes on from."""
        return self.out / f"{self.plan.shape}.pt"

    def save(self) -> None:
        """Write the checkpoint, in one step as others see it."""
        state = {"model": self.model.state_dict(), "step": self.step}
        state["optimizers"] = [optimizer.state_dict() for optimizer in self.optimizers]
        torch.save(state, partial := self.checkpoint.with_suffix(".partial"))
        os.replace(partial, self.checkpoint)

    def resume(self) -> None:
        """Take up the checkpoint, if there is one."""
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location=self.plan.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.step = state["step"]

    def say(self, **figures: float) -> None:
        """One line on the screen and in the log."""
        rounded = {"step": self.step} | {name: round(figure, 4) for name, figure in figures.items()}
        print("  ".join(f"{name} {figure}" for name, figure in rounded.items()), flush=True)
        with (self.out / f"{self.plan.shape}.log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(rounded) + "\n")


def start(plan: Plan, out: Path) -> Run:
    """A run at its beginning, or where it was stopped."""
    torch.manual_seed(plan.seed)
    model = Llama(SHAPES[plan.shape]).to(plan.device)
    matrices = [weight for weight in model.blocks.parameters() if weight.ndim == 2]
    norms = [weight for weight in model.parameters() if weight.ndim == 1]
    embedding = {"params": [model.embedding.weight], "weight_decay": DECAY}
    others = [embedding, {"params": norms, "weight_decay": 0.0}]
    muon = torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=DECAY)
    run = Run(plan, model, (muon, torch.optim.AdamW(others, lr=OTHER_RATE, betas=(0.9, 0.95))), out)
    run.resume()
    return run


def rate(step: int, steps: int) -> float:
    """Share of the peak rate at a step (from 0). Pure."""
    return min(1.0, (step + 1) / max(1.0, steps * WARM_UP), (steps - step) / (steps * COOL_DOWN))


def advance(run: Run, batch: Tokens) -> float:
    """One step; the mean loss of its tokens in nats."""
    total = 0.0
    for part in _parts(run, batch):
        loss = _loss(run, part) * len(part) / len(batch)
        loss.backward()
        total += loss.item()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer, peak in zip(run.optimizers, (MATRIX_RATE, OTHER_RATE), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = peak * rate(run.step, run.plan.steps)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    run.step += 1
    return total


def judge(run: Run, held_out: Tokens) -> float:
    """Mean loss per token on held-out rows, in nats."""
    with torch.no_grad():
        return math.fsum(_loss(run, part).item() * len(part) for part in _parts(run, held_out)) / len(held_out)


def train(run: Run, books: Library, held_out: Tokens) -> None:
    """All steps that are left, with a line per ten."""
    began, first, smooth = time.monotonic(), run.step, 0.0
    for batch in reading(run, books):
        loss = advance(run, batch)
        smooth = loss if not smooth else 0.9 * smooth + 0.1 * loss
        if run.step % 10 == 0:
            each = (time.monotonic() - began) / (run.step - first)
            eta = each * (run.plan.steps - run.step) / 60
            run.say(loss=smooth, tokens_per_second=STEP_TOKENS / each, eta_minutes=eta)
        if run.step % JUDGE_EVERY == 0:
            run.say(held_out_loss=judge(run, held_out))
        if run.step % SAVE_EVERY == 0 or run.step == run.plan.steps:
            run.save()


def reading(run: Run, books: Library) -> Iterator[Tokens]:
    """The batches of the steps that are left: short rows first, then rows as long as the context."""
    turn, context = max(0, run.plan.steps - LONG_STEPS), run.model.shape.context
    if run.step < turn:
        short = batches(books, run.plan.seed, SHORT, STEP_TOKENS // SHORT, skip=run.step)
        yield from islice(short, turn - run.step)
    long = batches(books, run.plan.seed + 1, context, STEP_TOKENS // context, skip=max(0, run.step - turn))
    yield from islice(long, run.plan.steps - run.step)


def tokenizer_of(out: Path, texts: corpus.Corpus, vocabulary: int) -> Tokenizer:
    """The folder's tokenizer, trained and written if there is none."""
    path = out / "tokenizer.json"
    if not path.exists():
        bpe.train((document.text for document in (*texts.sources, *texts.pages)), vocabulary).save(str(path))
    return Tokenizer.from_file(str(path))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser("python -m e2e.models.stdlib.train", description=__doc__)
    made.add_argument("--sources", type=Path, default=Path("/usr/lib/python3.11"), help="the library (%(default)s)")
    pages = Path("/usr/share/doc/python3.11/html/_sources")
    made.add_argument("--documentation", type=Path, default=pages, help="reStructuredText sources (%(default)s)")
    made.add_argument("--out", type=Path, required=True, help="folder of the tokenizer, checkpoints and logs")
    made.add_argument("--shape", choices=sorted(SHAPES), default="stdlib", help="which model (%(default)s)")
    made.add_argument("--steps", type=int, default=680, help=f"of {STEP_TOKENS} tokens (%(default)s)")
    made.add_argument("--seed", type=int, default=1, help="of weights and order (%(default)s)")
    made.add_argument("--threads", type=int, default=2, help="on a CPU (%(default)s)")
    made.add_argument("--device", default="auto", help="cpu, cuda, or auto: cuda where there is one (%(default)s)")
    return made


def main(argv: list[str] | None = None) -> None:
    """Train one of the shapes."""
    arguments: Any = parser().parse_args(argv)
    torch.set_num_threads(arguments.threads)
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(
        arguments.shape, arguments.steps, arguments.seed, auto if arguments.device == "auto" else arguments.device
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    texts, held_out = corpus.split(corpus.read(arguments.sources, arguments.documentation))
    shape = SHAPES[plan.shape]
    tokenizer = tokenizer_of(arguments.out, texts, shape.vocabulary)
    books, judged = library(tokenizer, texts, plan.seed), library(tokenizer, held_out, plan.seed)
    stream = [token for document in judged.sources for token in document]
    run = start(plan, arguments.out)
    print(f"{plan.shape}: {sum(weight.numel() for weight in run.model.parameters())} parameters on {plan.device}")
    chosen = rows(stream, SHORT)
    train(run, books, chosen[:: max(1, len(chosen) // JUDGED_ROWS)])


def _parts(run: Run, batch: Tokens) -> Sequence[Tensor]:
    rows_at_once = max(1, MICRO_TOKENS // (batch.shape[1] - 1))
    parts: Sequence[Tensor] = torch.from_numpy(batch).to(run.plan.device, torch.long).split(rows_at_once)
    return parts


def _loss(run: Run, part: Tensor) -> Tensor:
    with torch.autocast(run.plan.device, torch.bfloat16):
        scores = run.model(part[:, :-1])
        return functional.cross_entropy(scores.float().flatten(0, 1), part[:, 1:].flatten())


if __name__ == "__main__":
    main()
