"""Leases: whoever fetches, quantizes or serves keeps its files in the node's cache, and for no longer."""

import json
import os
import threading
import time

import pytest
from fakes.configs import configuration
from fakes.fetching import Pod
from fakes.node import COMMIT, SIZE, Node, held

from e2e.models import tiny
from inferfleet_runtime import contract
from inferfleet_runtime.__main__ import run
from inferfleet_runtime.config import load
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights import lease, notes

WAIT = 60.0
CONFIG = configuration(source={"uri": "hf://org/m/f16.gguf"}, quantize={"type": "Q8_0"}, contextTokens=1024)


def test_a_pod_that_serves_renews_its_lease(tmp_path, hub):
    node = Node(tmp_path, hub, cache_bytes=SIZE + 1000)
    pod = node.pod("serving")
    pod.fetch("hf://org/m/a.gguf")
    leases = pod.paths.at(contract.LEASES_DIR)
    leases.symlink_to(node.folder / "leases")
    (mark,) = (p for p in (node.folder / "leases").rglob("serving"))
    os.utime(mark, (0, 0))
    with lease.held(pod.paths, every=0.01):
        deadline = time.monotonic() + WAIT
        os.utime(mark, (0, 0))
        while mark.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_serving_without_the_file_says_to_delete_the_pod(node):
    pod = node.pod("one")
    pod.fetch("hf://org/m/a.gguf")
    pod.paths.at(contract.LEASES_DIR).symlink_to(node.folder / "leases")
    for blob in (node.folder / "blobs").iterdir():
        blob.unlink()
    with pytest.raises(CommandError, match="delete the pod"), lease.held(pod.paths):
        pass


def test_a_pod_without_cached_files_holds_no_lease(tmp_path, hub):
    pod = Pod(tmp_path, {"HF_ENDPOINT": hub.base})
    pod.fetch("hf://org/m/a.gguf")
    with lease.held(pod.paths):
        assert not pod.paths.at(contract.LEASES_DIR).exists()
        assert "leases" not in [thread.name for thread in threading.enumerate()]


def test_a_file_that_came_is_kept_while_the_next_is_fetched(tmp_path, hub):
    node = Node(tmp_path, hub)
    pod = node.pod("fetching")
    with lease.renewed(pod.paths, every=0.01):
        pod.fetch("hf://org/m/a.gguf")
        (mark,) = (p for p in (node.folder / "leases").rglob("fetching"))
        os.utime(mark, (0, 0))
        deadline = time.monotonic() + WAIT
        while mark.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_what_was_quantized_is_let_go(tmp_path, hub):
    node = Node(tmp_path, hub, cache_bytes=SIZE + 1000)
    pod = node.pod("one")
    pod.fetch("hf://org/m/a.gguf")
    lease.let_go(pod.paths, pod.paths.fetched)
    assert not pod.paths.fetched.is_symlink()
    with lease.held(pod.paths):
        node.pod("two").fetch("hf://org/m/b.gguf")
    assert node.blobs() == held("b")


def test_a_file_that_is_no_link_into_the_cache_is_not_let_go(tmp_path, hub):
    pod = Pod(tmp_path, {"HF_ENDPOINT": hub.base})
    pod.fetch("hf://org/m/a.gguf")
    lease.let_go(pod.paths, pod.paths.fetched)
    assert pod.paths.fetched.exists()


def test_the_command_that_quantizes_leaves_the_cache_what_is_needed_no_more(node, hub):
    source = tiny.make(node.root / "f16.gguf")
    hub.repositories["org/m"][COMMIT] = {"f16.gguf": source.read_bytes()}
    pod = node.pod("one")
    pod.fetch("hf://org/m/f16.gguf")
    pod.paths.at(contract.LEASES_DIR).symlink_to(node.folder / "leases")
    file = pod.paths.at(contract.CONFIG_PATH)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(CONFIG))
    assert run(["quantize", "--root", str(pod.root)]) == 0
    assert not pod.paths.fetched.is_symlink()
    assert not list((node.folder / "leases").rglob("one"))
    assert pod.paths.at(load(file).weights_file()).stat().st_size < source.stat().st_size
    notes.refuse_unverified(load(file), pod.paths)
    with lease.held(pod.paths):
        pass
