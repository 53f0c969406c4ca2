"""hf://: revisions, listings, tokens, digests, folders; against a server that speaks the hub's API."""

import hashlib
import json
import random

import pytest
from fakes.fetching import Pod, gguf
from fakes.hub import Hub
from fakes.store import Reply

from inferfleet_runtime.errors import CommandError

OLD, NEW = "a" * 40, "b" * 40
MODEL = gguf(300_000)
SMALL = gguf(500, 2)
CONFIG = b'{"architectures": ["LlamaForCausalLM"]}'


@pytest.fixture
def hub():
    found = Hub(repositories={"org/m": {OLD: {"m.gguf": gguf(9000, 3)}, NEW: {"m.gguf": MODEL, "README.md": b"#"}}})
    found.branches = {"org/m": {"main": NEW, "v1": OLD}}
    with found.serving():
        yield found


@pytest.fixture
def pod(tmp_path, hub):
    return Pod(tmp_path, {"HF_ENDPOINT": hub.base})


def note(pod):
    return json.loads((pod.paths.weights / "model.gguf.source.json").read_text())


def test_the_only_gguf_of_a_repository_is_fetched_and_its_commit_noted(pod):
    assert pod.fetch("hf://org/m").read_bytes() == MODEL
    assert note(pod)["resolved"] == NEW
    assert pod.left() == ["model.gguf", "model.gguf.source.json"]


@pytest.mark.parametrize("revision", ["v1", OLD])
def test_a_revision_is_resolved_to_its_commit(pod, revision):
    assert pod.fetch("hf://org/m", revision=revision).stat().st_size == 9000
    assert note(pod) | {"resolved": OLD, "revision": revision} == note(pod)


def test_a_branch_that_moves_after_it_was_resolved_mixes_nothing(pod, hub):
    answer = hub.answer

    def moving(asked):
        reply = answer(asked)
        if "/revision/" in asked.path:
            hub.branches["org/m"]["main"] = OLD
        return reply

    hub.answer = moving
    assert pod.fetch("hf://org/m").read_bytes() == MODEL


def test_an_unknown_revision_is_named(pod):
    with pytest.raises(CommandError, match="has no revision v9"):
        pod.fetch("hf://org/m", revision="v9")


def test_several_files_are_listed_as_what_to_write(pod, hub):
    hub.repositories["org/m"][NEW] = {"q4.gguf": MODEL, "q8.gguf": MODEL, "x/f16.gguf": MODEL}
    with pytest.raises(CommandError, match=r"name one of hf://org/m/q4\.gguf, hf://org/m/q8\.gguf, hf://org/m/x/f16"):
        pod.fetch("hf://org/m")
    assert pod.fetch("hf://org/m/x/f16.gguf").read_bytes() == MODEL


def test_a_folder_of_a_repository_can_be_named(pod, hub):
    hub.repositories["org/m"][NEW] = {"q4.gguf": SMALL, "x/f16.gguf": MODEL}
    assert pod.fetch("hf://org/m/x").read_bytes() == MODEL


def test_a_split_file_is_refused_with_what_to_do(pod, hub):
    hub.repositories["org/m"][NEW] = {f"m-0000{n}-of-00002.gguf": MODEL for n in (1, 2)}
    with pytest.raises(CommandError, match="llama-gguf-split --merge"):
        pod.fetch("hf://org/m")
    with pytest.raises(CommandError, match="one part of several"):
        pod.fetch("hf://org/m/m-00001-of-00002.gguf")


@pytest.mark.parametrize("uri", ["hf://m", "hf://org/", "hf://org/m/../x", "hf://../m/x"])
def test_what_is_no_repository_is_refused(pod, hub, uri):
    with pytest.raises(CommandError):
        pod.fetch(uri)
    assert hub.asked == []


def test_a_private_repository_wants_its_token_and_the_token_stays_with_its_origin(pod, hub):
    hub.private["org/m"] = "hf_secret"
    with pytest.raises(CommandError, match=r"HTTP 401.*credentials"):
        pod.fetch("hf://org/m")
    assert pod.fetch("hf://org/m", secret={"credential": "hf_secret\n"}).read_bytes() == MODEL


def test_an_empty_secret_is_said(pod):
    with pytest.raises(CommandError, match="holds no credential"):
        pod.fetch("hf://org/m", secret={"credential": " "})


def test_a_token_of_the_environment_is_used(tmp_path, hub):
    hub.private["org/m"] = "ambient"
    assert Pod(tmp_path, {"HF_ENDPOINT": hub.base, "HF_TOKEN": "ambient"}).fetch("hf://org/m").exists()


@pytest.mark.parametrize("seed", range(5))
def test_cuts_at_any_offset_are_gone_on_with(pod, hub, seed):
    rng = random.Random(seed)
    hub.cuts = [rng.randrange(100_000) for _ in range(6)]
    assert pod.fetch("hf://org/m").read_bytes() == MODEL
    hub.is_content = lambda asked: asked.path.startswith("/cdn")
    assert len(hub.files_asked()) <= 7


def test_a_file_that_is_not_what_the_hub_says_is_never_left(pod, hub):
    hub.lies["m.gguf"] = "0" * 64
    with pytest.raises(CommandError, match=f"expected {'0' * 64}"):
        pod.fetch("hf://org/m")
    assert pod.left() == []


def test_a_small_file_is_verified_by_its_git_digest(pod, hub):
    hub.repositories["org/m"][NEW] = {"m.gguf": SMALL}
    assert pod.fetch("hf://org/m").read_bytes() == SMALL
    entry = hub._entry
    hub._entry = lambda path, content: entry(path, content) | {"oid": "1" * 40}
    with pytest.raises(CommandError, match="git-sha1 digest"):
        pod.fetch("hf://org/m", revision=NEW)


def test_another_digest_of_the_user_is_refused(pod):
    with pytest.raises(CommandError, match=f"expected {'f' * 64}"):
        pod.fetch("hf://org/m", sha256="f" * 64)
    assert pod.left() == []


PIPELINE = {
    "model_index.json": b"{}",
    "unet/config.json": CONFIG,
    "unet/weights.safetensors": gguf(5000, 5),
    "unet/weights.fp16.safetensors": gguf(4000, 6),
    "unet/weights.bin": b"pickle" * 400,
    "tokenizer/vocab.json": b"{}",
    "one_file.safetensors": gguf(6000, 7),
    "run.py": b"import os",
    ".gitattributes": b"*",
    "README.md": b"#",
}
KEPT = ["model_index.json", "tokenizer/vocab.json", "unet/config.json", "unet/weights.safetensors"]


def test_a_folder_has_what_an_engine_loads_and_neither_code_nor_pickles(pod, hub):
    hub.repositories["org/m"][NEW] = PIPELINE
    folder = pod.fetch("hf://org/m", "directory")
    assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == KEPT
    assert all((folder / name).read_bytes() == PIPELINE[name] for name in KEPT)
    lines = "".join(f"{hashlib.sha256(PIPELINE[name]).hexdigest()}  {name}\n" for name in KEPT)
    assert (folder.parent / "model.sha256").read_text() == lines


def test_a_folder_has_a_digest_that_is_verified(pod, hub):
    hub.repositories["org/m"][NEW] = PIPELINE
    lines = "".join(f"{hashlib.sha256(PIPELINE[name]).hexdigest()}  {name}\n" for name in KEPT)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    with pytest.raises(CommandError, match="SHA-256 of the manifest"):
        pod.fetch("hf://org/m", "directory", sha256="0" * 64)
    assert pod.left() == []
    assert pod.fetch("hf://org/m", "directory", sha256=digest).is_dir()


def test_a_folder_that_was_cut_keeps_what_it_has(pod, hub):
    hub.repositories["org/m"][NEW] = PIPELINE
    hub.is_content = lambda asked: "weights.safetensors" in asked.path
    hub.cuts = [1000] + [0] * 6
    with pytest.raises(CommandError, match="gave up"):
        pod.fetch("hf://org/m", "directory")
    assert not pod.paths.weights.joinpath("model").exists()
    hub.cuts, before = [], len(hub.files_asked())
    assert pod.fetch("hf://org/m", "directory").is_dir()
    (again,) = [a for a in hub.files_asked()[before:] if a.path.startswith("/cdn")]
    assert again.headers["Range"] == "bytes=1000-"


def test_a_folder_has_nothing_of_a_revision_that_was_cut(pod, hub):
    hub.repositories["org/m"][NEW] = {"a.json": b"{}", "z.safetensors": gguf(5000, 5)}
    hub.is_content = lambda asked: asked.path.endswith("z.safetensors")
    hub.cuts = [1000] + [0] * 6
    with pytest.raises(CommandError, match="gave up"):
        pod.fetch("hf://org/m", "directory")
    hub.repositories["org/m"][OLD] = {"b.json": b"{}", "y.safetensors": gguf(5000, 6)}
    hub.branches["org/m"]["main"] = OLD
    folder = pod.fetch("hf://org/m", "directory")
    assert sorted(p.name for p in folder.iterdir()) == ["b.json", "y.safetensors"]


def test_a_damaged_folder_is_fetched_again(pod, hub):
    hub.repositories["org/m"][NEW] = PIPELINE
    folder = pod.fetch("hf://org/m", "directory")
    (folder / "tokenizer/vocab.json").write_bytes(b"[]")
    pod.fetch("hf://org/m", "directory")
    assert (folder / "tokenizer/vocab.json").read_bytes() == b"{}"


def test_a_repository_of_pickles_alone_is_refused(pod, hub):
    hub.repositories["org/m"][NEW] = {"pytorch_model.bin": MODEL, "config.json": CONFIG}
    with pytest.raises(CommandError, match="no weights as safetensors"):
        pod.fetch("hf://org/m", "directory")


def test_a_listing_cannot_write_outside_of_the_folder(pod, hub):
    hub.repositories["org/m"][NEW] = {"../evil.safetensors": MODEL}
    with pytest.raises(CommandError, match="would leave its folder"):
        pod.fetch("hf://org/m", "directory")


def test_a_busy_hub_is_asked_again(pod, hub):
    hub.busy = 2
    assert pod.fetch("hf://org/m").exists()
    assert pod.time.naps == [1, 2]


@pytest.mark.parametrize("entries", [["m.gguf"], [{"type": "file"}], [{"type": "file", "path": "m.gguf", "oid": 1}], 3])
def test_a_listing_of_another_shape_is_said_in_one_line(pod, hub, entries):
    answer = hub.answer
    hub.answer = lambda asked: Reply.json(entries) if "/tree/" in asked.path else answer(asked)
    with pytest.raises(CommandError, match=r"is not what hf servers give.*check the endpoint"):
        pod.fetch("hf://org/m")
