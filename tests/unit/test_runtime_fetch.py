import hashlib
import random

import pytest
from fakes.files_server import Script, make_certificate, serving

from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import Source
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.fetch import World, fetch
from inferfleet_runtime.weights.notes import Wanted
from inferfleet_runtime.weights.progress import Progress
from inferfleet_runtime.weights.sources.http_client import Clock, Http
from inferfleet_runtime.weights.store import Store

CONTENT = b"GGUF" + random.Random(1).randbytes(3 * 2**20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def trusted(certificates, monkeypatch):
    authority, host = certificates
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return host


class Naps:
    """A clock that stands still and remembers what it was asked to sleep."""

    def __init__(self):
        self.taken = []
        self.clock = Clock(now=lambda: 0.0, sleep=self.taken.append)


def fetched(tmp_path, uri, sha256=None, naps=None):
    paths = Paths(tmp_path)
    world = World(paths, Store(Http((naps or Naps()).clock), Progress("team/m")), {}, uri)
    fetch(Wanted(Source(uri=uri, sha256=sha256), paths.fetched), world)
    return paths.fetched


def leftovers(tmp_path):
    return sorted(p.name for p in Paths(tmp_path).weights.iterdir())


@pytest.fixture
def local(tmp_path):
    file = tmp_path / "of the image" / "m.gguf"
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    return file


def test_a_local_file_is_linked(tmp_path, local):
    result = fetched(tmp_path, local.as_uri(), DIGEST)
    assert result.is_symlink()
    assert result.read_bytes() == CONTENT


def test_a_local_file_with_another_digest_is_refused_with_both(tmp_path, local):
    with pytest.raises(CommandError, match=f"{DIGEST}, expected {'0' * 64}"):
        fetched(tmp_path, local.as_uri(), "0" * 64)
    assert leftovers(tmp_path) == []
    assert local.exists()


def test_a_file_that_is_no_gguf_is_refused(tmp_path, local):
    local.write_bytes(b"<html>")
    with pytest.raises(CommandError, match="not a GGUF file"):
        fetched(tmp_path, local.as_uri())
    assert leftovers(tmp_path) == []


def test_a_file_uri_with_a_host_says_how_to_write_it(tmp_path):
    with pytest.raises(CommandError, match=r"write file:///models/m\.gguf"):
        fetched(tmp_path, "file://models/m.gguf")


def image(tmp_path, *names):
    for name in names:
        file = Paths(tmp_path).image / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CONTENT + name.encode())


def test_the_only_gguf_of_an_image_needs_no_name(tmp_path):
    image(tmp_path, "models/a.gguf", "README.md")
    assert fetched(tmp_path, "oci://registry/m:1").read_bytes().endswith(b"models/a.gguf")


@pytest.mark.parametrize("path", ["models/b.gguf", "/models/b.gguf"])
def test_a_path_picks_a_file_of_an_image(tmp_path, path):
    image(tmp_path, "models/a.gguf", "models/b.gguf")
    assert fetched(tmp_path, f"oci://registry/m:1#{path}").read_bytes().endswith(b"models/b.gguf")


def test_an_image_with_several_files_asks_for_one(tmp_path):
    image(tmp_path, "a.gguf", "b.gguf")
    with pytest.raises(
        CommandError, match=r"2 GGUF files; name one of oci://registry/m:1#a\.gguf, oci://registry/m:1#b\.gguf"
    ):
        fetched(tmp_path, "oci://registry/m:1")


def test_a_path_cannot_leave_the_image(tmp_path):
    image(tmp_path, "a.gguf")
    with pytest.raises(CommandError, match="must not leave"):
        fetched(tmp_path, "oci://registry/m:1#../../etc/passwd")


def test_a_download_is_whole_and_leaves_nothing_else(tmp_path, trusted):
    with serving(Script(CONTENT), trusted) as url:
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["model.gguf", "model.gguf.source.json"]


def test_a_cut_download_goes_on_where_it_stopped(tmp_path, trusted):
    script, naps = Script(CONTENT, cuts=[1_000_000, 1_500_000]), Naps()
    with serving(script, trusted) as url:
        assert fetched(tmp_path, url, DIGEST, naps).read_bytes() == CONTENT
    assert script.asked == [None, "bytes=1000000-", "bytes=2500000-"]
    assert naps.taken == [1, 1]  # each attempt brought something, so the back-off starts anew


def test_a_part_left_by_an_earlier_run_is_used(tmp_path, trusted):
    script = Script(CONTENT, cuts=[1_000_000])
    with serving(script, trusted) as url:
        script.cuts += [0] * 6
        with pytest.raises(CommandError, match="gave up"):
            fetched(tmp_path, url, DIGEST)
        script.asked.clear()
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT
    assert script.asked == ["bytes=1000000-"]


def test_a_file_that_changed_meanwhile_is_loaded_anew(tmp_path, trusted):
    script = Script(b"GGUF" + b"old" * 500_000, cuts=[600_000] + [0] * 6)
    with serving(script, trusted) as url:
        with pytest.raises(CommandError):
            fetched(tmp_path, url)
        script.content, script.etag, script.cuts = CONTENT, '"v2"', []
        assert fetched(tmp_path, url).read_bytes() == CONTENT


def test_without_validator_and_digest_a_part_is_not_trusted(tmp_path, trusted):
    script = Script(CONTENT, etag=None, cuts=[1_000_000])
    with serving(script, trusted) as url:
        assert fetched(tmp_path, url).read_bytes() == CONTENT
    assert script.asked == [None, None]


def test_without_validator_a_digest_makes_resuming_safe(tmp_path, trusted):
    script = Script(CONTENT, etag=None, cuts=[1_000_000])
    with serving(script, trusted) as url:
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT
    assert script.asked == [None, "bytes=1000000-"]


def test_a_part_that_was_whole_already_is_accepted(tmp_path, trusted):
    script = Script(CONTENT)
    with serving(script, trusted) as url:
        fetched(tmp_path, url, DIGEST)
        done = Paths(tmp_path).fetched
        done.rename(done.with_name("model.gguf.part"))
        done.with_name("model.gguf.part.json").write_text(f'{{"url": "{url}", "validator": "\\"v1\\""}}')
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT
    assert script.asked[-1] == f"bytes={len(CONTENT)}-"


def test_a_download_with_another_digest_is_deleted_and_named(tmp_path, trusted):
    with serving(Script(CONTENT), trusted) as url, pytest.raises(CommandError, match=f"{DIGEST}, expected {'f' * 64}"):
        fetched(tmp_path, url, "f" * 64)
    assert leftovers(tmp_path) == []


def test_a_busy_server_is_asked_again_with_growing_pauses(tmp_path, trusted):
    naps = Naps()
    with serving(Script(CONTENT, statuses=[503, 429, 500]), trusted) as url:
        assert fetched(tmp_path, url, DIGEST, naps).exists()
    assert naps.taken == [1, 2, 4]


def test_a_missing_file_fails_at_once(tmp_path, trusted):
    naps = Naps()
    with serving(Script(CONTENT, statuses=[404]), trusted) as url, pytest.raises(CommandError, match="HTTP 404"):
        fetched(tmp_path, url, naps=naps)
    assert naps.taken == []


def test_an_unknown_ca_fails_at_once_and_names_the_variable(tmp_path, certificates):
    naps = Naps()
    with serving(Script(CONTENT), certificates[1]) as url, pytest.raises(CommandError, match="SSL_CERT_FILE"):
        fetched(tmp_path, url, naps=naps)
    assert naps.taken == []


def test_a_redirect_away_from_https_is_refused(tmp_path, trusted):
    script = Script(CONTENT, redirect="http://localhost:1/x")
    with serving(script, trusted) as url, pytest.raises(CommandError, match="not https"):
        fetched(tmp_path, url)


def test_a_fetched_file_is_kept(tmp_path, trusted):
    script = Script(CONTENT)
    with serving(script, trusted) as url:
        fetched(tmp_path, url, DIGEST)
        fetched(tmp_path, url, DIGEST)
        assert len(script.asked) == 1


def test_a_damaged_file_is_fetched_again(tmp_path, trusted):
    script = Script(CONTENT)
    with serving(script, trusted) as url:
        result = fetched(tmp_path, url, DIGEST)
        result.write_bytes(CONTENT[:-1] + b"?")
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT


def test_a_damaged_note_fetches_again(tmp_path, trusted):
    script = Script(CONTENT)
    with serving(script, trusted) as url:
        done = fetched(tmp_path, url, DIGEST)
        done.with_name("model.gguf.source.json").write_text('{"ur')
        done.rename(done.with_name("model.gguf.part"))
        done.with_name("model.gguf.part.json").write_text("")
        assert fetched(tmp_path, url, DIGEST).read_bytes() == CONTENT
    assert script.asked == [None, None]


def test_another_source_replaces_the_file(tmp_path, trusted, local):
    fetched(tmp_path, local.as_uri())
    other = b"GGUF other"
    with serving(Script(other), trusted) as url:
        assert fetched(tmp_path, url).read_bytes() == other
    assert local.read_bytes() == CONTENT


def test_a_server_that_sends_another_range_damages_nothing(tmp_path, trusted):
    script = Script(CONTENT, cuts=[1_000_000], shift=7)
    with serving(script, trusted) as url:
        assert fetched(tmp_path, url).read_bytes() == CONTENT
    assert script.asked == [None, "bytes=1000000-", None]


def test_what_is_wrong_with_the_pods_own_disk_is_no_cut_download(tmp_path, trusted):
    naps = Naps()
    (Paths(tmp_path).weights / "model.gguf.part").mkdir(parents=True)
    with serving(Script(CONTENT), trusted) as url, pytest.raises(CommandError, match="part cannot be written"):
        fetched(tmp_path, url, DIGEST, naps)
    assert naps.taken == []


def test_the_query_of_an_address_is_in_no_message_and_no_log(tmp_path, trusted, caplog):
    caplog.set_level("INFO")
    with serving(Script(CONTENT, statuses=[503, 404]), trusted) as url:
        with pytest.raises(CommandError, match="HTTP 404") as refusal:
            fetched(tmp_path, f"{url}?signature=s3cr3t")
        fetched(tmp_path, f"{url}?signature=s3cr3t")
        with pytest.raises(CommandError, match="expected") as other:
            fetched(tmp_path, f"{url}?signature=s3cr3t", "f" * 64)
    said = [str(vars(record)) for record in caplog.records] + [str(refusal.value), str(other.value)]
    assert len(said) > 3
    assert not any("s3cr3t" in text for text in said)
