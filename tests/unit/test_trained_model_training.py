"""How the project's own model is trained and written; only where the `train` extra is installed."""

import numpy as np
import pytest

from e2e.models.stdlib import bpe, reference
from e2e.models.stdlib.batches import Library

torch = pytest.importorskip("torch", reason="needs the train extra")

from e2e.models.stdlib import train  # noqa: E402
from e2e.models.stdlib.export import export  # noqa: E402
from e2e.models.stdlib.network import SHAPES  # noqa: E402

NAME = "stdlib-draft"
BOOKS = Library(*([[token % 4096 for token in range(first, first + 30_000)]] for first in range(4)))


def run(out, steps):
    out.mkdir(exist_ok=True)
    return train.start(train.Plan(NAME, steps, 1, "cpu"), out)


def test_a_run_that_was_stopped_ends_where_an_unbroken_one_does(tmp_path):
    held_out = np.zeros((1, 513), np.int32)
    unbroken = run(tmp_path / "a", 3)
    train.train(unbroken, BOOKS, held_out)
    broken = run(tmp_path / "b", 3)
    for batch, _ in zip(train.reading(broken, BOOKS), range(2), strict=False):
        train.advance(broken, batch)
    broken.save()
    resumed = run(tmp_path / "b", 3)
    assert resumed.step == 2
    train.train(resumed, BOOKS, held_out)
    for name, weight in unbroken.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_the_rate_rises_stays_and_falls_to_almost_nothing():
    rates = [train.rate(step, 100) for step in range(100)]
    assert rates[:3] == [1 / 3, 2 / 3, 1.0]
    assert rates[50] == 1.0
    assert rates[75] == 0.5
    assert rates[99] == pytest.approx(0.02)


def test_the_written_file_says_what_the_network_said(tmp_path):
    fresh = run(tmp_path, 1)
    fresh.save()
    bpe.train(["".join(map(chr, range(32, 3000)))], SHAPES[NAME].vocabulary).save(str(tmp_path / "tokenizer.json"))
    file = export(tmp_path, NAME, tmp_path / "draft.gguf")
    ids = list(range(4, 300))
    with torch.no_grad():
        said = fresh.model(torch.tensor([ids]))[0].numpy()
    assert np.abs(reference.read(file).scores(ids) - said).max() < 1e-3 * np.abs(said).max() + 1e-4
