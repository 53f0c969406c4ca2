"""What the project's own model is trained on, in which order, and how its answers are judged."""

import random

import numpy as np
import pytest

from e2e.models.stdlib import bpe, corpus, heldout, judge
from e2e.models.stdlib.batches import Library, batches, epoch, rows
from e2e.models.stdlib.corpus import Corpus, Document
from e2e.models.stdlib.judge import Continuation

SOURCE = '''\
"""A module."""
\f
class Box:
    @property
    def size(self):  # of what is in it
        """How much."""
        return len(self.held)

    def one(self): return 1

    async def fill(
        self, held
    ):
        @wraps
        def inner():
            return held
        self.held = inner
'''
PAGE = """\
.. function:: join(path, *paths)
   :noindex:

   Join one or more :term:`path-like objects <path-like object>`, as
   :func:`~os.path.normpath` would.

   A second paragraph.

.. data:: sep
"""


def document(text, name="a.py"):
    return Document(name, text)


def test_files_are_held_out_by_their_name_alone():
    names = [f"package/module{number}.py" for number in range(1000)]
    held_out = [name for name in names if corpus.is_held_out(name)]
    assert 20 < len(held_out) < 90
    assert corpus.is_held_out("functools.py")
    assert not corpus.is_held_out("json/decoder.py")
    texts = Corpus(tuple(document(name, name) for name in names), ())
    train, judged = corpus.split(texts)
    assert [d.name for d in judged.sources] == held_out
    assert len(train.sources) + len(held_out) == 1000


def test_functions_are_taken_out_with_their_headers_whatever_stands_around_them():
    found = dict(corpus.functions(document(SOURCE)))
    assert found["def size(self):  # of what is in it"].splitlines()[2] == "    return len(self.held)"
    assert list(found) == ["def size(self):  # of what is in it", "async def fill(\n    self, held\n):", "def inner():"]
    assert found["def inner():"] == "def inner():\n    return held\n"


def test_an_entry_of_the_documentation_answers_what_it_does():
    (entry,) = corpus.entries(document(PAGE, "library/os.path.rst.txt"))
    assert entry.question == "What does `join(path, *paths)` do?"
    assert entry.text == "Join one or more `path-like objects <path-like object>`, as `os.path.normpath` would.\n"


def test_only_the_librarys_own_files_are_read(tmp_path):
    for name in ("os.py", "test/test_os.py", "json/tests/a.py", "site-packages/other.py", "_sysconfigdata_x.py"):
        (tmp_path / "lib" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lib" / name).write_text("x = 1\n")
    (tmp_path / "lib" / "broken.py").write_text("x = (\n")
    for name in ("library/os.rst.txt", "whatsnew/3.11.rst.txt"):
        (tmp_path / "doc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "doc" / name).write_text("Text.\n")
    found = corpus.read(tmp_path / "lib", tmp_path / "doc")
    assert [d.name for d in found.sources] == ["os.py"]
    assert [d.name for d in found.pages] == ["library/os.rst.txt"]
    with pytest.raises(ValueError, match=r"no library/\*\.rst\.txt there"):
        corpus.read(tmp_path / "lib", tmp_path / "lib")


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.train([SOURCE, PAGE], 300)


def test_a_text_and_an_answer_become_tokens_that_say_where_they_begin_and_end(tokenizer):
    text, answer = bpe.encode(tokenizer, [document("x = 1\n"), Document("a.py", "x = 1\n", "Write x.")])
    assert text == [bpe.END_OF_TEXT, *tokenizer.encode("x = 1\n").ids]
    assert answer.count(bpe.TURN) == 2
    assert answer.count(bpe.END_OF_TURN) == 2
    told = tokenizer.decode(answer, skip_special_tokens=False)
    assert told == "<|endoftext|><|im_start|>user\nWrite x.<|im_end|>\n<|im_start|>assistant\nx = 1<|im_end|>\n"


def test_a_tokenizer_comes_back_from_what_a_model_file_says(tokenizer):
    tokens = [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())]
    again = bpe.train([SOURCE, PAGE], 300)
    assert [again.id_to_token(number) for number in range(300)] == tokens
    merges = [" ".join(pair) for pair in _merges(tokenizer)]
    assert bpe.restored(tokens, merges).encode(SOURCE).ids == tokenizer.encode(SOURCE).ids


def _merges(tokenizer):
    import json

    return json.loads(tokenizer.to_str())["model"]["merges"]


def test_rows_overlap_by_the_token_that_is_to_be_predicted():
    assert rows(range(10), 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    assert rows(range(9), 3).tolist() == [[0, 1, 2, 3], [3, 4, 5, 6]]


BOOKS = Library([[1] * 40, [2] * 40], [[3] * 40], [[4] * 40], [[5] * 40, [6] * 40, [7] * 40])


def test_an_epoch_reads_all_code_and_a_third_of_the_pages_in_an_order_that_the_seed_decides():
    first = epoch(BOOKS, 0, seed=1, length=4)
    assert set(np.unique(first)) == {1, 2, 3, 4, 5}
    assert set(np.unique(epoch(BOOKS, 1, seed=1, length=4))) == {1, 2, 3, 4, 6}
    assert (first == epoch(BOOKS, 0, seed=1, length=4)).all()
    assert (first != epoch(BOOKS, 0, seed=2, length=4)).any()


@pytest.mark.parametrize("had", [0, 1, 15, 16, 40])
def test_a_resumed_run_goes_on_with_the_batch_that_comes_next(had):
    whole, rest = batches(BOOKS, 1, 4, 3), batches(BOOKS, 1, 4, 3, skip=had)
    for _ in range(had):
        next(whole)
    for _ in range(20):
        assert (next(whole) == next(rest)).all()


GOOD = "    total = 0\n    for x in xs:\n        total += x\n    return total"


@pytest.mark.parametrize(
    ("text", "finished", "verdict"),
    [
        (GOOD, True, True),
        (f"{GOOD}\n\nnext one", False, True),
        (f"{GOOD}\n    if (total", False, True),
        (f"{GOOD}\n    if total:\n        x", False, True),
        ('    """Only words."""', True, False),
        ("    pass", True, False),
        ("", True, False),
        ("    return 1 +", True, False),
        ("    return 1 +\n", False, False),
        ('    """Words that never end', False, False),
        ("    x = 1\n    return a string\n    y = 2\n", False, False),
        ("    x = 1\n  y = 2\n", False, False),
        ("x = 1\n", False, False),
    ],
)
def test_a_continuation_is_python_when_it_parses_and_does_something(text, finished, verdict):
    assert judge.is_python(Continuation("def total(xs):", text, finished)) is verdict


def test_no_held_out_header_was_seen_in_training_and_none_is_chosen_twice():
    def module(*names):
        return "".join(f"def {name}(a):\n    b = a\n    c = b\n    return c\n" for name in names)

    train = Corpus((document(module("seen")),), ())
    held_out = Corpus((document(module("seen", "p", "q", "r", "s", "t")), document(module("u"), "b.py")), ())
    found = heldout.headers(train, held_out)
    assert {each["header"] for each in found} <= {f"def {name}(a):" for name in "pqrstu"}
    assert [each["file"] for each in found] == ["a.py"] * heldout.PER_FILE + ["b.py"]


def test_the_checked_in_headers_are_fifty_from_held_out_files():
    asked = judge.headers()
    assert len(asked) == len(set(asked)) == heldout.COUNT
    rng = random.Random(0)
    assert all(corpus.is_held_out(each["file"]) for each in rng.sample(_chosen(), 20))


def _chosen():
    import json

    return json.loads(heldout.HEADERS.read_text())
