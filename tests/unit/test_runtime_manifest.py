"""The manifest of a folder is what the shell's own tools make of it, so that users can compute its digest."""

import hashlib
import subprocess

import pytest

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights import manifest
from inferfleet_runtime.weights.sources.pick import for_a_directory, one_gguf

FILES = {"b.json": b"1", "B.txt": b"2", "a/z é.bin": b"3", "a.b": b"4", "é": b"5"}
COMMAND = r"find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum"


def test_the_documented_command_prints_the_manifest_and_its_digest(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    printed = subprocess.run(COMMAND, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert printed == manifest.text(digests)
    hashed = subprocess.run(
        f"{COMMAND} | sha256sum", shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert hashed.stdout.split()[0] == manifest.digest(digests)


def test_a_listing_of_many_files_is_cut_short():
    with pytest.raises(CommandError, match=r"holds 30 GGUF files; name one of .*, \.\.\.$") as refusal:
        one_gguf([f"{n:02}.gguf" for n in range(30)], "hf://a/b", lambda path: f"hf://a/b/{path}")
    assert len(str(refusal.value)) < 400


def test_a_source_without_gguf_says_so():
    with pytest.raises(CommandError, match="holds no GGUF file among its 2"):
        one_gguf(["a.safetensors", "README.md"], "hf://a/b", str)


@pytest.mark.parametrize(
    ("paths", "kept"),
    [
        (["model.safetensors", "consolidated.safetensors"], ["model.safetensors"]),
        (["consolidated.safetensors", "params.json"], ["consolidated.safetensors", "params.json"]),
        (["u/a.fp16.safetensors"], ["u/a.fp16.safetensors"]),
        (["original/a.safetensors", "original/x.json", "a.safetensors"], ["a.safetensors"]),
        (["model.safetensors", "tokenizer.model", ".cache/x"], ["model.safetensors", "tokenizer.model"]),
    ],
)
def test_weights_are_taken_once(paths, kept):
    assert list(for_a_directory(paths, "hf://a/b")) == kept
