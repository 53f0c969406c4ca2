"""The checked-in model and its draft in the runtime's engine: they write Python, and it computes what they say."""

import json
import math
import urllib.request

import numpy as np
import openai
import pytest

from e2e.models import stdlib
from e2e.models.stdlib import heldout, judge, reference

PYTHON_OF_FIFTY = 25
PERPLEXITY = {stdlib.MODEL: 14.0, stdlib.DRAFT: 23.5}
"""Per token, at most, on the beginning of the held-out text: measured were 13.69 and 22.81, by chance 4096."""
FILES = pytest.mark.parametrize("file", list(PERPLEXITY), ids=lambda path: path.stem)
LARGEST = 25_000_000
"""Bytes that a file may add to the repository."""


@pytest.fixture(scope="module")
def url():
    with judge.engine(stdlib.MODEL, threads=2) as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=120) as client:
        yield client


def test_at_least_half_of_fifty_held_out_headers_go_on_as_python(client):
    found = judge.ask(client, "model", judge.headers())
    assert len(found) == heldout.COUNT
    assert sum(map(judge.is_python, found)) >= PYTHON_OF_FIFTY


def test_a_question_in_the_words_of_the_documentation_is_answered_and_the_answer_ends(client):
    asked = [{"role": "user", "content": "Write the function `def is_empty(self):`"}]
    (choice,) = client.chat.completions.create(model="model", messages=asked, max_tokens=200, temperature=0).choices
    assert choice.finish_reason == "stop"
    assert choice.message.content.startswith("def is_empty(self):\n")
    assert judge.is_python(judge.Continuation(*choice.message.content.split("\n", 1), finished=True))


@FILES
def test_a_file_is_small_and_every_row_suits_k_quants(file):
    assert file.stat().st_size < LARGEST
    rows = {len(row) for t in reference.read(file).tensors.values() if t.ndim == 2 for row in t[:1]}
    assert {length % 256 for length in rows} == {0}


@FILES
def test_held_out_text_is_predicted_as_well_as_when_the_file_was_made(file):
    model, text = reference.read(file), heldout.TEXT.read_text(encoding="utf-8")
    per_token, per_byte = reference.perplexity(model, text, tokens=model.context - 1)
    assert per_token < PERPLEXITY[file]
    assert 1 < per_byte < per_token


def test_the_engine_cuts_text_into_the_same_tokens(url):
    text = heldout.TEXT.read_text(encoding="utf-8")[20_000:30_000]
    assert _tokens(url, text) == reference.read(stdlib.MODEL).tokenizer.encode(text).ids


def test_the_draft_speaks_the_models_tokens():
    one, other = (reference.read(file).tokenizer.to_str() for file in PERPLEXITY)
    assert json.loads(one) == json.loads(other)


def test_the_engine_chooses_what_the_reference_finds_likeliest(url, client):
    model = reference.read(stdlib.MODEL)
    prompt = heldout.TEXT.read_text(encoding="utf-8")[:1000]
    (choice,) = client.completions.create(model="model", prompt=prompt, max_tokens=24, temperature=0).choices
    begun, whole = [0, *_tokens(url, prompt)], [0, *_tokens(url, prompt + choice.text)]
    assert len(whole) > len(begun)
    scores = model.scores(whole[:-1])[len(begun) - 1 :]
    chosen = scores[np.arange(len(scores)), whole[len(begun) :]]
    # F16 and another order of sums: of two that are as good as equal either may be chosen
    assert math.isclose(float((scores.max(-1) - chosen).max()), 0, abs_tol=0.05)


def _tokens(url, text):
    body = json.dumps({"content": text, "add_special": False}).encode()
    request = urllib.request.Request(f"{url.removesuffix('/v1')}/tokenize", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["tokens"]
