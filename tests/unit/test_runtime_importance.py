"""Importance matrices that are damaged, and the numbers of the tools that read and make them."""

import argparse

import gguf
import numpy as np
import pytest

from e2e.models import tiny
from inferfleet_runtime import tools
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.quantizing.importance import Importance


def matrix(path, columns=8, counts=1):
    writer = gguf.GGUFWriter(path, "")
    writer.add_tensor("a.weight.in_sum2", np.full((1, columns), 3, np.float32))
    writer.add_tensor("a.weight.counts", np.full((counts, 1), 3, np.float32))
    tiny.finish(writer)
    return path


def test_a_whole_matrix_is_read(tmp_path):
    assert Importance.read(matrix(tmp_path / "i.gguf")).of("a.weight", 8).tolist() == [[1.0] * 8]


def test_a_matrix_that_is_cut_anywhere_is_an_error_that_names_it(tmp_path):
    whole, cut = matrix(tmp_path / "i.gguf").read_bytes(), tmp_path / "cut.gguf"
    # behind the last number there is only padding
    for length in range(len(whole) - 32):
        cut.write_bytes(whole[:length])
        with pytest.raises(CommandError, match=r"cut\.gguf: "):
            Importance.read(cut)


def test_a_matrix_whose_counts_do_not_fit_is_an_error_that_names_it(tmp_path):
    with pytest.raises(CommandError, match=r"i\.gguf: cannot be read as a GGUF file"):
        Importance.read(matrix(tmp_path / "i.gguf", columns=8, counts=3))


def read(*arguments):
    parser = argparse.ArgumentParser()
    tools.add(parser.add_subparsers(dest="command"))
    return parser.parse_args(arguments)


NUMBERS = [("--threads", "0"), ("--threads", "-1"), ("--context", "0"), ("--max-windows", "0"), ("--threads", "two")]


@pytest.mark.parametrize(("option", "value"), NUMBERS)
def test_a_number_of_a_tool_that_is_none_is_refused_by_its_name(option, value, capsys):
    with pytest.raises(SystemExit, match="2"):
        read("importance", "--model", "m.gguf", "--text", "t.txt", "--out", "o.gguf", f"{option}={value}")
    assert f"argument {option}: must be a whole number of at least 1, not '{value}'" in capsys.readouterr().err


def test_no_rounds_of_measuring_speed_are_a_number_and_fewer_are_none(capsys):
    assert read("evaluate", "--baseline", "m.gguf", "--text", "t.txt", "--rounds", "0").rounds == 0
    with pytest.raises(SystemExit, match="2"):
        read("evaluate", "--baseline", "m.gguf", "--text", "t.txt", "--rounds=-1")
    assert "argument --rounds: must be a whole number of at least 0, not '-1'" in capsys.readouterr().err
