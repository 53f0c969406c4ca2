"""`inferfleet-runtime fetch` whole: every artifact of a configuration, progress, full disks, what serve checks."""

import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from fakes.configs import runtime_config
from fakes.fetching import Pod, gguf
from fakes.files_server import Script, make_certificate
from fakes.files_server import serving as serving_files
from fakes.hub import Hub
from fakes.oci_registry import layer

from inferfleet_runtime import contract
from inferfleet_runtime.config import Paths
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights import command, notes
from inferfleet_runtime.weights.progress import Progress, exposed

COMMIT = "c" * 40
MODEL, DRAFT, ADAPTER = gguf(3_000_000), gguf(20_000, 2), gguf(10_000, 3)
FILES = {"m.gguf": MODEL, "draft.gguf": DRAFT, "sql.gguf": ADAPTER}


@pytest.fixture
def hub():
    with Hub.of(COMMIT, FILES).serving() as found:
        yield found


def config(**changes):
    files = {
        "source": {"uri": "hf://org/m/m.gguf"},
        "speculation": {"method": "Draft", "source": {"uri": "hf://org/m/draft.gguf"}},
        "adapters": [{"name": "sql", "source": {"uri": "hf://org/m/sql.gguf"}}],
    }
    return runtime_config(**files | changes)


def run(tmp_path, hub, config):
    pod = Pod(tmp_path)
    command.run(config, pod.paths, {"HF_ENDPOINT": hub.base}, pod.time.clock, 0)
    return pod.paths


def test_model_draft_and_adapters_are_brought(tmp_path, hub):
    paths = run(tmp_path, hub, config())
    assert paths.fetched.read_bytes() == MODEL
    assert paths.at(contract.DRAFT_FILE).read_bytes() == DRAFT
    assert paths.at(config().adapter_file("sql")).read_bytes() == ADAPTER


def test_the_last_words_of_the_container_say_how_much_came(tmp_path, hub):
    words = tmp_path / "dev" / "termination-log"
    words.parent.mkdir()
    words.touch()
    run(tmp_path, hub, config())
    assert json.loads(words.read_text())["bytes"] == sum(map(len, FILES.values()))


def test_a_name_of_an_adapter_cannot_leave_the_folder(tmp_path, hub):
    adapters = [{"name": "../x", "source": {"uri": "hf://org/m/sql.gguf"}}]
    with pytest.raises(CommandError, match="cannot be the name of a file"):
        run(tmp_path, hub, config(adapters=adapters))


def scraped(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        return dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if not line.startswith("#"))


def test_progress_can_be_scraped_while_it_is_made():
    progress = Progress("team/m")
    progress.expect("b", 50)
    with exposed(progress, 0) as port:
        progress.report("a")(10, 100)
        label = '{model_name="team/m"}'
        assert scraped(port) == {f"inferfleet:fetch_bytes{label}": "10", f"inferfleet:fetch_total_bytes{label}": "150"}
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=30)


def test_a_port_that_is_taken_stops_no_fetch():
    with exposed(Progress("m"), 0) as port, exposed(Progress("m"), port) as other:
        assert other == 0


PROCESS = [sys.executable, "-m", "inferfleet_runtime", "fetch"]


def process(tmp_path, hub, changes, prefix=()):
    """A real command with a limit, on a root of its own."""
    paths = Paths(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(config(**changes).model_dump_json(by_alias=True, exclude_none=True))
    argv = [*prefix, *PROCESS, "--config", str(file), "--root", str(paths.root)]
    env = {**os.environ, "HF_ENDPOINT": hub.base}
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120), paths


def test_a_file_that_is_too_large_for_the_disk_fails_at_once_and_says_so(tmp_path, hub):
    limited = ("sh", "-c", 'ulimit -f 2000; exec "$@"', "sh")  # a million bytes: POSIX counts in halves of a KiB
    done, paths = process(tmp_path, hub, {"speculation": None, "adapters": None}, limited)
    assert done.returncode == 1
    assert re.search(r"hf://org/m/m\.gguf: no room for .* make room$", done.stderr.strip())
    assert not paths.fetched.exists()
    again, _ = process(tmp_path, hub, {"speculation": None, "adapters": None})
    assert again.returncode == 0, again.stderr
    assert paths.fetched.read_bytes() == MODEL
    assert hub.files_asked()[-1].headers["Range"].startswith("bytes=")


def test_a_wrong_digest_ends_the_command_with_both_and_leaves_nothing(tmp_path, hub):
    done, paths = process(tmp_path, hub, {"source": {"uri": "hf://org/m/m.gguf", "sha256": "0" * 64}})
    assert done.returncode == 1
    assert f"expected {'0' * 64}" in done.stderr.splitlines()[-1]
    assert not list(paths.weights.glob("model*"))


def test_serving_refuses_what_was_swapped_after_it_was_verified(tmp_path, hub):
    pinned = config(source={"uri": "hf://org/m/m.gguf", "sha256": hashlib.sha256(MODEL).hexdigest()})
    paths = run(tmp_path, hub, pinned)
    notes.refuse_unverified(pinned, paths)
    paths.fetched.write_bytes(MODEL[:-5])
    with pytest.raises(CommandError, match="the file was damaged or replaced"):
        notes.refuse_unverified(pinned, paths)


@pytest.mark.parametrize(("secret", "sent"), [("tok", "Bearer tok"), ("ann:pw", "Basic YW5uOnB3")])
def test_a_token_for_https_is_sent_to_its_host_and_not_where_that_redirects(tmp_path, monkeypatch, secret, sent):
    authority, host = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    second = Script(b"GGUF elsewhere")
    with serving_files(second, host) as elsewhere:
        first = Script(b"", redirect=elsewhere)
        with serving_files(first, host) as url:
            pod = Pod(tmp_path / "pod")
            assert pod.fetch(url, secret={"credential": secret}).read_bytes() == b"GGUF elsewhere"
    assert first.authorized == [sent]
    assert second.authorized == [None]


@pytest.mark.parametrize("top", ["", "pipeline/"])
def test_a_folder_over_https_is_an_archive_without_its_code(tmp_path, monkeypatch, top):
    authority, host = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    files = {"model_index.json": b"{}", "unet/w.safetensors": MODEL, "run.py": b"import os", "w.bin": b"pickle"}
    _, archive, _ = layer({f"{top}{name}": content for name, content in files.items()})
    with serving_files(Script(archive), host) as url:
        folder = Pod(tmp_path / "pod").fetch(f"{url}.tar.gz", "directory", sha256=hashlib.sha256(archive).hexdigest())
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == {"model_index.json", "unet/w.safetensors"}


def test_an_archive_that_cannot_be_unpacked_does_not_stay(tmp_path, monkeypatch):
    authority, host = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    _, archive, _ = layer({"w.safetensors": MODEL})
    pod = Pod(tmp_path / "pod")
    with serving_files(Script(archive[:-3000]), host) as url, pytest.raises(CommandError, match="cannot be unpacked"):
        pod.fetch(f"{url}.tar.gz", "directory")
    assert pod.left() == []


@pytest.mark.parametrize("name", ["W.BIN", "run.PY", "a.npy", "a.npz", "a.joblib"])
def test_what_may_run_code_is_left_out_however_it_is_written(hub, tmp_path, name):
    hub.repositories["org/m"][COMMIT] = {"config.json": b"{}", "W.SAFETENSORS": MODEL, name: b"x"}
    folder = Pod(tmp_path, {"HF_ENDPOINT": hub.base}).fetch("hf://org/m", "directory")
    assert sorted(p.name for p in folder.iterdir()) == ["W.SAFETENSORS", "config.json"]
