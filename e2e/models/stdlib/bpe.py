"""A byte-level BPE for code, and documents as token ids. Pure.

The text is cut as `tokenizer.ggml.pre = llama-bpe` says, so that llama.cpp makes the same tokens.
"""

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from e2e.models.stdlib.corpus import Document
from e2e.models.train_tokenizer import SPECIAL, SPLIT

END_OF_TEXT, TURN, END_OF_TURN, PAD = range(4)
"""The special tokens come first, in the order of `SPECIAL`."""


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A tokenizer of exactly `vocabulary` entries; the same texts give the same one."""
    tokenizer = _splitting(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def restored(tokens: Sequence[str], merges: Sequence[str]) -> Tokenizer:
    """The tokenizer that a GGUF file describes."""
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    return _splitting(models.BPE({token: number for number, token in enumerate(tokens)}, pairs))


def encode(tokenizer: Tokenizer, documents: Sequence[Document]) -> list[list[int]]:
    """Token ids per document: all open with `<|endoftext|>`; an answered question is ChatML."""
    questions = _ids(tokenizer, [f"user\n{d.question}" for d in documents])
    texts = _ids(tokenizer, [d.text if d.question is None else d.text.rstrip("\n") for d in documents])
    opening, newline = _ids(tokenizer, ["assistant\n", "\n"])
    return [
        [END_OF_TEXT, *text]
        if document.question is None
        else [END_OF_TEXT, TURN, *question, END_OF_TURN, *newline, TURN, *opening, *text, END_OF_TURN, *newline]
        for document, question, text in zip(documents, questions, texts, strict=True)
    ]


def _ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]


def _splitting(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    splitter = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
