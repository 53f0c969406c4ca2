"""Chooses the checked-in part of the held-out files. Writes `heldout.txt` and `headers.json` beside this file.

`heldout.txt` is whole held-out files, sources first; `headers.json` fifty functions from held-out sources whose
header no file of the training part has.
"""

import argparse
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from e2e.models.stdlib import corpus
from e2e.models.stdlib.corpus import Corpus, Document

HERE = Path(__file__).parent
TEXT, HEADERS = HERE / "heldout.txt", HERE / "headers.json"
SOURCE_BYTES, PAGE_BYTES = 180_000, 90_000
COUNT, PER_FILE, SEED = 50, 4, 1
_LEAST_LINES = 4


def fitting(documents: Iterable[Document], size: int) -> list[Document]:
    """Documents in their order, each that still fits into `size` bytes. Pure."""
    chosen: list[Document] = []
    for document in documents:
        if (length := len(document.text.encode())) <= size:
            chosen.append(document)
            size -= length
    return chosen


def headers(train: Corpus, held_out: Corpus) -> list[dict[str, str]]:
    """`COUNT` functions of `held_out`, at most `PER_FILE` of a file, by a fixed draw. Pure."""
    known = {header for document in train.sources for header, _ in corpus.functions(document)}
    rng, chosen = random.Random(SEED), []
    for document in held_out.sources:
        fresh = sorted({h for h, source in corpus.functions(document) if h not in known and _long(h, source)})
        chosen += [{"file": document.name, "header": h} for h in rng.sample(fresh, min(PER_FILE, len(fresh)))]
    return sorted(rng.sample(chosen, min(COUNT, len(chosen))), key=lambda each: (each["file"], each["header"]))


def _long(header: str, source: str) -> bool:
    return "\n" not in header and len(source.splitlines()) >= _LEAST_LINES


def _written(documents: Sequence[Document]) -> str:
    return "\n".join(document.text for document in documents)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m e2e.models.stdlib.heldout", description=__doc__)
    parser.add_argument("sources", type=Path, help="as train's --sources")
    parser.add_argument("documentation", type=Path, help="as train's --documentation")
    arguments = parser.parse_args()
    train, held_out = corpus.split(corpus.read(arguments.sources, arguments.documentation))
    chosen = [*fitting(held_out.sources, SOURCE_BYTES), *fitting(held_out.pages, PAGE_BYTES)]
    TEXT.write_text(_written(chosen), encoding="utf-8")
    HEADERS.write_text(json.dumps(headers(train, held_out), indent=1) + "\n", encoding="utf-8")
    print(f"{TEXT.name}: {TEXT.stat().st_size} bytes of {', '.join(document.name for document in chosen)}")


if __name__ == "__main__":
    main()
