"""Python's own library and documentation as training text. Reads the two folders; all else is pure.

Whole files are held out, by a fixed rule on the file's name, so that no half of a held-out file is seen.
"""

import ast
import hashlib
import random
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NOT_TAKEN = frozenset({"test", "tests", "encodings", "pydoc_data", "idlelib", "turtledemo", "ensurepip"})
NOT_OURS = frozenset({"__pycache__", "dist-packages", "site-packages"})
"""Folders left out: tests, tables, programs; and what is no part of the library."""
DOCUMENTED = frozenset(["library", "tutorial", "reference", "howto", "faq"])
HELD_OUT_IN = 20
_GENERATED = re.compile(r"_sysconfigdata|config-")
_ENTRY = re.compile(r"^( *)\.\. (?:function|method|class|exception|decorator):: (.+)$")
_OPTION = re.compile(r":[\w-]+:(?!`)|\.\. ")
_ROLE = re.compile(r":[\w:]+:`[~!]?([^`]*)`")
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_LINES = range(2, 41)


@dataclass(frozen=True)
class Document:
    """One text. `question` is what a user asks to get it, or None when it is just a text."""

    name: str
    text: str
    question: str | None = None


@dataclass(frozen=True)
class Corpus:
    """What is trained on, by kind."""

    sources: tuple[Document, ...]
    pages: tuple[Document, ...]


def read(sources: Path, documentation: Path) -> Corpus:
    """All files of both kinds, sorted by name. Reads; a folder without any such file is a ValueError."""
    code = tuple(_documents(sources, "*.py"))
    pages = tuple(d for d in _documents(documentation, "*.rst.txt") if d.name.split("/")[0] in DOCUMENTED)
    if not code:
        raise ValueError(f"{sources}: no Python sources there; name the folder that holds json/ and os.py")
    if not pages:
        raise ValueError(f"{documentation}: no library/*.rst.txt there; name the documentation's _sources folder")
    return Corpus(code, pages)


def is_held_out(name: str) -> bool:
    """Whether a file, named relative to its folder, is kept for judging: one in `HELD_OUT_IN`, by SHA-256. Pure."""
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % HELD_OUT_IN == 0


def split(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """(train, held out). Pure."""

    def where(kept: bool) -> Corpus:
        return Corpus(
            tuple(d for d in corpus.sources if is_held_out(d.name) is kept),
            tuple(d for d in corpus.pages if is_held_out(d.name) is kept),
        )

    return where(False), where(True)


def functions(document: Document) -> Iterator[tuple[str, str]]:
    """(header, source) of each function of 2 to 40 lines, moved to the left margin. Pure."""
    lines = [f"{line}\n" for line in document.text.split("\n")]  # splitlines would also cut at form feeds
    for node in ast.walk(ast.parse(document.text)):
        if isinstance(node, _FUNCTION) and node.end_lineno and node.end_lineno - node.lineno + 1 in _LINES:
            first = node.body[0]
            body = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", ()))])
            if body > node.lineno:  # a function on one line has no header of its own
                source = textwrap.dedent("".join(lines[node.lineno - 1 : node.end_lineno]))
                header = textwrap.dedent("".join(lines[node.lineno - 1 : body - 1]))
                yield _signature(header), source.rstrip() + "\n"


def function_documents(document: Document, rng: random.Random) -> Iterator[Document]:
    """Each function as a text of its own or as the answer to a question. Pure."""
    for header, source in functions(document):
        asked = (None, f"Write the function `{header}`", header, f"Write {_name(header)} in Python.")
        yield Document(document.name, source, rng.choice(asked))


def entries(document: Document) -> Iterator[Document]:
    """Each documented function's first paragraph as the answer to a question. Pure."""
    lines = document.text.split("\n")
    for at, line in enumerate(lines):
        if found := _ENTRY.match(line):
            paragraph = _paragraph(lines[at + 1 :], len(found[1]))
            if len(paragraph) > 40:
                yield Document(document.name, paragraph + "\n", f"What does `{found[2].strip()}` do?")


def _documents(folder: Path, pattern: str) -> Iterator[Document]:
    for path in sorted(folder.rglob(pattern)):
        name = path.relative_to(folder).as_posix()
        if not (NOT_TAKEN | NOT_OURS) & set(name.split("/")) and not _GENERATED.match(name):
            text = path.read_bytes().decode("utf-8", errors="ignore").replace("\r\n", "\n").expandtabs(8)
            if text.strip() and _parses(name, text):
                yield Document(name, text)


def _parses(name: str, text: str) -> bool:
    """Whether it is no Python or good Python."""
    if not name.endswith(".py"):
        return True
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _signature(header: str) -> str:
    """The header without what follows its colon: comments and blank lines before the body."""
    lines = [line for line in header.rstrip().splitlines() if not line.strip().startswith("#")]
    return "\n".join(lines).rstrip()


def _name(header: str) -> str:
    return header.partition("(")[0].split()[-1]


def _paragraph(lines: list[str], indent: int) -> str:
    """The first indented paragraph that is no option or directive; RST's roles become plain backquotes."""
    kept: list[str] = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        if not line.strip() and kept:
            break
        if line.strip() and not _OPTION.match(line.lstrip()):
            kept.append(line.strip())
    return _ROLE.sub(r"`\1`", " ".join(kept))
