"""What is read in which order, as a function of the seed. Pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from e2e.models.stdlib import bpe
from e2e.models.stdlib.corpus import Corpus, Document, entries, function_documents

Tokens = NDArray[np.int32]
PAGES_IN_EPOCH = 3
"""An epoch reads all code, each function once more by itself, all documented entries, and one page in three."""


@dataclass(frozen=True)
class Library:
    """The corpus as token ids, one list per document."""

    sources: Sequence[Sequence[int]]
    functions: Sequence[Sequence[int]]
    entries: Sequence[Sequence[int]]
    pages: Sequence[Sequence[int]]


def library(tokenizer: Tokenizer, corpus: Corpus, seed: int) -> Library:
    """Encode a corpus; the seed says in which of its forms each function appears."""
    rng = random.Random(seed)
    functions = [each for document in corpus.sources for each in function_documents(document, rng)]
    documented: list[Document] = [each for document in corpus.pages for each in entries(document)]
    kinds: tuple[Sequence[Document], ...] = (corpus.sources, functions, documented, corpus.pages)
    return Library(*(bpe.encode(tokenizer, kind) for kind in kinds))


def epoch(books: Library, number: int, seed: int, length: int) -> Tokens:
    """One epoch as rows of `length` + 1 tokens, in shuffled order: (rows, length + 1)."""
    rng = random.Random(f"{seed}/{number}")
    pages = books.pages[number % PAGES_IN_EPOCH :: PAGES_IN_EPOCH]
    documents = [*books.sources, *books.functions, *books.entries, *pages]
    rng.shuffle(documents)
    cut = rows([token for document in documents for token in document], length)
    return cut[rng.sample(range(len(cut)), len(cut))]


def rows(stream: Sequence[int], length: int) -> Tokens:
    """A stream in rows that overlap by one token: each predicts its successor. The rest is dropped."""
    starts = np.arange((len(stream) - 1) // length) * length
    cut: Tokens = np.asarray(stream, np.int32)[starts[:, None] + np.arange(length + 1)]
    return cut


def batches(books: Library, seed: int, length: int, size: int, skip: int = 0) -> Iterator[Tokens]:
    """Batches of `size` rows without end; `skip` leaves out those that a resumed run has had."""
    for number in count():
        read = epoch(books, number, seed, length)
        here = len(read) // size
        for at in range(min(skip, here), here):
            yield read[at * size : (at + 1) * size]
        skip -= min(skip, here)
