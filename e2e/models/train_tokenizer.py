"""Trains the test models' tokenizer. Writes `tokenizer.json` beside this file; run once, its result is checked in.

`python -m e2e.models.train_tokenizer` trains a byte-level BPE on the help topics of the running
Python (`pydoc_data.topics`, PSF-2.0 licence), so the same Python gives the same file.
"""

import json
import pydoc_data.topics
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

VOCABULARY = 2048
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""What llama.cpp splits by when a file says `tokenizer.ggml.pre = llama-bpe`."""
FILE = Path(__file__).with_name("tokenizer.json")


def train() -> Tokenizer:
    """A tokenizer of exactly `VOCABULARY` entries, the special ones first."""
    tokenizer = Tokenizer(models.BPE())
    splitter = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter, bytes_])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_topics(), trainer)
    return tokenizer


def _topics() -> list[str]:
    topics = pydoc_data.topics.topics
    return [topics[name] for name in sorted(topics)]


def main() -> None:
    """Train and write."""
    compact = json.dumps(json.loads(train().to_str()), ensure_ascii=False, separators=(",", ":"))
    FILE.write_text(compact + "\n", encoding="utf-8")
    print(f"{FILE.name}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
