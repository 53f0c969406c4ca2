"""The node's cache: shared, verified, bounded; nothing in use is evicted; a pod that dies blocks nobody."""

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes.files_server import Script, make_certificate
from fakes.files_server import serving as serving_files
from fakes.hub import Hub
from fakes.node import COMMIT, FILES, SIZE, Node, held
from fakes.oci_registry import Registry
from fakes.s3_server import S3
from fakes.store import serving

from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.cache import LEASE_SECONDS
from inferfleet_runtime.weights.sources.http_client import Clock

WAIT = 60.0


def test_a_second_pod_downloads_nothing(node, hub):
    first = node.pod("one").fetch("hf://org/m/a.gguf")
    second = node.pod("two").fetch("hf://org/m/a.gguf")
    assert first.read_bytes() == second.read_bytes() == FILES["a.gguf"]
    assert os.path.realpath(first) == os.path.realpath(second)
    assert len(hub.files_asked()) == 1


def test_pods_that_start_at_once_download_once(node, hub):
    real = Clock(time.monotonic, lambda seconds: time.sleep(min(seconds, 0.05)), node.time.clock.utc)
    pods = [node.pod(f"p{n}") for n in range(4)]
    for pod in pods:
        pod.time = type("Real", (), {"clock": real})()
    hub.cuts = [50_000]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pod: pod.fetch("hf://org/m/a.gguf").read_bytes(), pods))
    assert found == [FILES["a.gguf"]] * 4
    assert [a.headers.get("Range") for a in hub.files_asked()] == [None, "bytes=50000-"]


def test_who_may_not_read_the_source_gets_nothing_from_the_cache(node, hub):
    hub.private["org/m"] = "token"
    node.pod("one").fetch("hf://org/m/a.gguf", secret={"credential": "token"})
    with pytest.raises(CommandError, match="HTTP 401"):
        node.pod("two").fetch("hf://org/m/a.gguf")


def test_a_damaged_blob_is_found_and_fetched_again(node, hub):
    node.pod("one").fetch("hf://org/m/a.gguf")
    (blob,) = (node.folder / "blobs").iterdir()
    blob.write_bytes(FILES["a.gguf"][:-1] + b"?")
    assert node.pod("two").fetch("hf://org/m/a.gguf").read_bytes() == FILES["a.gguf"]


def test_a_wrong_digest_leaves_nothing_in_the_cache_and_hurts_nobody(node, hub):
    hub.lies["a.gguf"] = "0" * 64
    with pytest.raises(CommandError, match=f"expected {'0' * 64}"):
        node.pod("one").fetch("hf://org/m/a.gguf")
    assert node.blobs() == set()
    assert list((node.folder / "parts").iterdir()) == []
    hub.lies.clear()
    node.pod("one").fetch("hf://org/m/a.gguf")
    with pytest.raises(CommandError, match=f"expected {'f' * 64}"):
        node.pod("two").fetch("hf://org/m/a.gguf", sha256="f" * 64)
    assert node.blobs() == held("a")


def test_a_part_that_another_pod_left_is_gone_on_with(node, hub):
    hub.cuts = [70_000] + [0] * 6
    with pytest.raises(CommandError, match="gave up"):
        node.pod("one").fetch("hf://org/m/a.gguf")
    hub.cuts = []
    assert node.pod("two").fetch("hf://org/m/a.gguf").read_bytes() == FILES["a.gguf"]
    assert hub.files_asked()[-1].headers["Range"] == "bytes=70000-"


def test_what_was_used_longest_ago_makes_room(tmp_path, hub):
    node = Node(tmp_path, hub, cache_bytes=2 * SIZE + 1000)
    for name in ("a", "b"):
        node.pod(f"pod-{name}").fetch(f"hf://org/m/{name}.gguf")
        node.time.sleep(10)
    node.pod("again").fetch("hf://org/m/a.gguf")
    node.time.sleep(LEASE_SECONDS + 1)
    node.pod("pod-c").fetch("hf://org/m/c.gguf")
    assert node.blobs() == held("a", "c")


def test_what_is_in_use_stays_and_who_finds_no_room_does_without(tmp_path, hub):
    node = Node(tmp_path, hub, cache_bytes=2 * SIZE + 1000)
    for name in ("a", "b", "c"):
        assert node.pod(f"pod-{name}").fetch(f"hf://org/m/{name}.gguf").read_bytes() == FILES[f"{name}.gguf"]
    assert node.blobs() == held("a", "b")
    assert not (node.pod("pod-c").paths.fetched).is_symlink()


HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


def test_a_pod_that_died_while_it_downloaded_blocks_nobody(node, hub):
    node.pod("one").fetch("hf://org/m/b.gguf")
    oid = hub._entry("a.gguf", FILES["a.gguf"])["lfs"]["oid"]
    key = hashlib.sha256(f"{hub.base}\n{oid}".encode()).hexdigest()
    argv = [sys.executable, "-c", HOLDER, str(node.folder / "locks" / key)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        waited = []

        def sleep(seconds):
            waited.append(seconds)
            if len(waited) == 3:
                process.kill()
                process.wait()

        pod = node.pod("two")
        pod.time = type("Real", (), {"clock": Clock(time.monotonic, sleep, node.time.clock.utc)})()
        assert pod.fetch("hf://org/m/a.gguf").read_bytes() == FILES["a.gguf"]
    assert len(waited) >= 3


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, hub):
    node = Node(tmp_path, hub)
    (node.folder / "leases").write_text("not a folder")
    pod = node.pod("one")
    assert pod.fetch("hf://org/m/a.gguf").read_bytes() == FILES["a.gguf"]
    assert not pod.paths.fetched.is_symlink()


def test_a_folder_is_shared_file_by_file(node, hub):
    hub.repositories["org/m"][COMMIT] = {"config.json": b"{}", "model.safetensors": FILES["a.gguf"]}
    for name in ("one", "two"):
        folder = node.pod(name).fetch("hf://org/m", "directory")
        assert (folder / "model.safetensors").read_bytes() == FILES["a.gguf"]
    assert len(hub.files_asked()) == 1


def test_an_object_that_changed_is_another_one(tmp_path):
    s3 = S3(buckets={"b": {"m.gguf": FILES["a.gguf"]}})
    with serving(s3):
        node = Node(tmp_path, s3)
        pods = [node.pod(name) for name in ("one", "two", "three")]
        for pod in pods:
            pod.env = {"AWS_ENDPOINT_URL": s3.base}
        pods[0].fetch("s3://b/m.gguf")
        s3.buckets["b"]["m.gguf"] = FILES["b.gguf"]
        assert pods[1].fetch("s3://b/m.gguf").read_bytes() == FILES["b.gguf"]
        before = len(s3.files_asked())
        assert pods[2].fetch("s3://b/m.gguf").read_bytes() == FILES["b.gguf"]
        assert len(s3.files_asked()) == before


@pytest.mark.parametrize(("etag", "downloads"), [('"v1"', 1), (None, 2)])
def test_a_file_over_https_is_shared_where_its_version_is_known(tmp_path, monkeypatch, etag, downloads):
    authority, host = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    script = Script(FILES["a.gguf"], etag=etag)
    with serving_files(script, host) as url:
        node = Node(tmp_path, Hub())
        for name in ("one", "two"):
            assert node.pod(name).fetch(url).read_bytes() == FILES["a.gguf"]
    assert len(script.asked) == downloads


def test_a_registry_that_claims_the_digest_of_another_ones_file_gets_nothing_from_the_cache(tmp_path):
    kind = ("application/vnd.cncf.model.weight.v1.raw", FILES["a.gguf"], {"org.cncf.model.filepath": "m.gguf"})
    private, thief = Registry(users={"ann": "pw"}), Registry()
    private.push("1", kind)
    thief.push("1", kind)
    thief.blobs.clear()
    with serving(private), serving(thief):
        node = Node(tmp_path, Hub())
        mirrors = f"private.example.com={private.base},thief.example.com={thief.base}"
        pods = [node.pod(name) for name in ("one", "two", "three")]
        for pod in pods:
            pod.env = {"INFERFLEET_REGISTRY_MIRRORS": mirrors}
        pods[0].fetch("oci://private.example.com/team/m:1", secret={"credential": "ann:pw"})
        with pytest.raises(CommandError, match="HTTP 404"):
            pods[1].fetch("oci://thief.example.com/team/m:1")
        thief.push("1", kind)
        assert pods[2].fetch("oci://thief.example.com/team/m:1").read_bytes() == FILES["a.gguf"]
        assert node.blobs() == held("a")


def test_a_signature_in_an_address_is_on_no_disk_of_the_node(tmp_path, monkeypatch):
    authority, host = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    script = Script(FILES["a.gguf"], cuts=[1000] + [0] * 6)
    with serving_files(script, host) as url:
        node = Node(tmp_path, Hub())
        with pytest.raises(CommandError, match="gave up") as refusal:
            node.pod("one").fetch(f"{url}?signature=s3cr3t")
        written = [p.read_bytes() for p in node.folder.rglob("*.json")]
        node.pod("two").fetch(f"{url}?signature=s3cr3t")
        written += [p.read_bytes() for p in node.folder.rglob("*.json")]
    assert "s3cr3t" not in str(refusal.value)
    assert len(written) == 2
    assert not any(b"s3cr3t" in text for text in written)
    assert script.asked[-1] == "bytes=1000-"
