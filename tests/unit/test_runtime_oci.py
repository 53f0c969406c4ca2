"""oci:// where no image volume is mounted: tokens, manifests, images and artifacts; against a registry."""

import base64
import json
import random

import pytest
from fakes.fetching import Pod, gguf
from fakes.oci_registry import INDEX, Registry, digest_of, layer
from fakes.store import serving

from inferfleet_runtime.errors import CommandError

MODEL = gguf(200_000)
RAW = "application/vnd.cncf.model.weight.v1.raw"
URI = "oci://registry.example.com/team/m:1"


@pytest.fixture
def registry():
    found = Registry()
    found.push("1", layer({"etc/os-release": b"x", "models/m.gguf": MODEL}))
    with serving(found):
        yield found


@pytest.fixture
def pod(tmp_path, registry):
    return Pod(tmp_path, {"INFERFLEET_REGISTRY_MIRRORS": f"registry.example.com={registry.base}"})


def test_the_only_gguf_of_an_image_is_pulled_and_its_layer_not_kept(pod):
    assert pod.fetch(URI).read_bytes() == MODEL
    assert pod.left() == ["model.gguf", "model.gguf.image/models/m.gguf", "model.gguf.source.json"]


def test_a_digest_pins_the_image(pod, registry):
    digest = registry.push("2", layer({"m.gguf": MODEL}))
    assert pod.fetch(f"oci://registry.example.com/team/m@{digest}").read_bytes() == MODEL
    registry.manifests[f"team/m:{digest}"] = registry.manifests["team/m:1"]
    with pytest.raises(CommandError, match="is another one: it was replaced"):
        pod.fetch(f"oci://registry.example.com/team/m:2@{digest}")


def test_a_layer_that_is_not_what_the_manifest_says_is_refused(pod, registry):
    (digest,) = registry.blobs
    registry.blobs[digest] = layer({"m.gguf": gguf(5000, 8)})[1]
    with pytest.raises(CommandError, match="sha256 digest"):
        pod.fetch(URI)
    assert pod.left() == []


def test_an_upper_layer_replaces_and_removes(pod, registry):
    lower = layer({"a.gguf": gguf(1000, 2), "b.gguf": gguf(1000, 3), "d/c.gguf": gguf(1000, 4)})
    registry.push("1", lower, layer({"a.gguf": MODEL, ".wh.b.gguf": b"", "d/.wh..wh..opq": b""}))
    assert pod.fetch(URI).read_bytes() == MODEL


def test_a_path_picks_one_of_several(pod, registry):
    registry.push("1", layer({"a.gguf": gguf(1000, 2), "d/b.gguf": MODEL}))
    with pytest.raises(CommandError, match=rf"name one of {URI}#a\.gguf, {URI}#d/b\.gguf"):
        pod.fetch(URI)
    assert pod.fetch(f"{URI}#d/b.gguf").read_bytes() == MODEL


@pytest.mark.parametrize("name", ["../m.gguf", "/../m.gguf", "a/../../m.gguf"])
def test_a_layer_cannot_write_outside_of_its_folder(pod, registry, name):
    registry.push("1", layer({name: MODEL}))
    with pytest.raises(CommandError, match="would leave its folder"):
        pod.fetch(URI)


def test_a_link_in_a_layer_is_left_behind(pod, registry):
    registry.push("1", layer({"m.gguf": MODEL}, {"evil.gguf": "/etc/passwd", "d": "/etc"}))
    assert pod.fetch(URI).read_bytes() == MODEL


def test_a_damaged_archive_is_said(pod, registry):
    registry.push("1", ("application/vnd.oci.image.layer.v1.tar+gzip", layer({"m.gguf": MODEL})[1][:-3000], {}))
    with pytest.raises(CommandError, match="cannot be unpacked"):
        pod.fetch(URI)


def test_a_layer_in_zstd_is_refused_with_what_to_do(pod, registry):
    registry.push("1", ("application/vnd.oci.image.layer.v1.tar+zstd", b"x", {}))
    with pytest.raises(CommandError, match="pack with gzip"):
        pod.fetch(URI)


def test_an_index_gives_the_first_image_and_no_attestation(pod, registry):
    attestation = {"digest": digest_of(b"x"), "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    image = registry.push("amd64", layer({"m.gguf": MODEL}))
    listed = [attestation, {"digest": image, "platform": {"os": "linux", "architecture": "amd64"}}]
    registry.put("team/m", "1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    assert pod.fetch(URI).read_bytes() == MODEL


@pytest.mark.parametrize(
    ("kind", "annotations"),
    [
        ("application/vnd.oci.image.layer.v1.custom", {"org.opencontainers.image.title": "m.gguf"}),
        (RAW, {"org.cncf.model.filepath": "m.gguf"}),
        ("application/vnd.docker.ai.gguf.v3", {}),
    ],
)
def test_an_artifact_whose_layer_is_the_file_is_downloaded_and_resumed(pod, registry, kind, annotations):
    registry.push("1", (kind, MODEL, annotations), ("application/vnd.docker.ai.license", b"text", {}))
    registry.cuts = [1000, 50_000]
    assert pod.fetch(URI).read_bytes() == MODEL
    assert [a.headers.get("Range") for a in registry.files_asked()] == [None, "bytes=1000-", "bytes=51000-"]


def test_a_file_of_an_artifact_can_be_named(pod, registry):
    title = "org.opencontainers.image.title"
    registry.push("1", (RAW, gguf(999, 2), {title: "a.gguf"}), (RAW, MODEL, {title: "b.gguf"}))
    with pytest.raises(CommandError, match="2 GGUF files"):
        pod.fetch(URI)
    assert pod.fetch(f"{URI}#b.gguf").read_bytes() == MODEL
    with pytest.raises(CommandError, match=r"no file c\.gguf"):
        pod.fetch(f"{URI}#c.gguf")


def test_a_folder_of_an_artifact(pod, registry):
    title = "org.cncf.model.filepath"
    files = {"config.json": b"{}", "model.safetensors": MODEL}
    registry.push("1", *((RAW, content, {title: name}) for name, content in files.items()))
    folder = pod.fetch(URI, "directory")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == files


def test_a_folder_of_an_image(pod, registry):
    registry.push("1", layer({"m/config.json": b"{}", "m/model.safetensors": MODEL}))
    folder = pod.fetch(f"{URI}#m", "directory")
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]


def config_of(user, password, host="registry.example.com"):
    return json.dumps({"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}})


@pytest.mark.parametrize("basic", [False, True])
@pytest.mark.parametrize(
    "secret", ["ann:pw:1", config_of("ann", "pw:1"), config_of("ann", "pw:1", "https://registry.example.com/v1/")]
)
def test_a_private_registry_wants_a_password(pod, registry, secret, basic):
    registry.users, registry.basic = {"ann": "pw:1"}, basic
    with pytest.raises(CommandError, match=r"HTTP 401.*check the credentials"):
        pod.fetch(URI)
    assert pod.fetch(URI, secret={"credential": secret}).read_bytes() == MODEL


def test_a_password_for_another_registry_is_not_used(pod, registry):
    with pytest.raises(CommandError, match=r"has nothing for registry\.example\.com"):
        pod.fetch(URI, secret={"credential": config_of("ann", "x", "other.example.com")})


def test_a_token_is_asked_for_again_before_it_ends(pod, registry):
    registry.push("1", (RAW, MODEL, {"org.cncf.model.filepath": "m.gguf"}))
    registry.cuts = [1000, 0, 0, 0, 0, 0] * 2  # the pauses outlast the token
    assert pod.fetch(URI).read_bytes() == MODEL
    assert len(registry.tokens) > 1


@pytest.mark.parametrize("seed", range(3))
def test_cuts_of_a_layer_are_gone_on_with(pod, registry, seed):
    rng = random.Random(seed)
    registry.cuts = [rng.randrange(60_000) for _ in range(4)]
    assert pod.fetch(URI).read_bytes() == MODEL


def test_a_mounted_image_is_read_and_no_registry_asked(pod, registry):
    mounted = pod.paths.image / "m.gguf"
    mounted.parent.mkdir(parents=True)
    mounted.write_bytes(MODEL)
    pod.mounted = URI
    assert pod.fetch(URI).samefile(mounted)
    assert registry.asked == []


def test_what_is_no_reference_is_refused(pod):
    with pytest.raises(CommandError, match="must be oci://registry/image:tag"):
        pod.fetch("oci://registry/UPPER:1")


def test_an_image_beside_the_mounted_one_is_pulled(pod, registry):
    pod.paths.image.mkdir(parents=True)
    (pod.paths.image / "other.gguf").write_bytes(gguf(500))
    pod.mounted = "oci://registry.example.com/team/other:1"
    assert pod.fetch(URI).read_bytes() == MODEL


@pytest.mark.parametrize("mark", [".wh.", ".wh..", ".wh...", "d/.wh..."])
def test_a_layer_removes_nothing_but_files_of_its_own(pod, registry, mark):
    registry.push("1", layer({"d/m.gguf": MODEL}), layer({mark: b""}))
    kept = pod.paths.weights / "draft.gguf"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"GGUF")
    with pytest.raises(CommandError, match="which is no file of it"):
        pod.fetch(URI)
    assert pod.left() == ["draft.gguf"]


def test_the_revision_of_an_image_is_the_digest_of_what_its_tag_stood_for(pod, registry):
    pod.fetch(URI)
    note = json.loads((pod.paths.weights / "model.gguf.source.json").read_text())
    assert note["resolved"] == digest_of(registry.manifests["team/m:1"])


@pytest.mark.parametrize(
    "manifest",
    [
        {"layers": [{"mediaType": RAW, "annotations": {"org.cncf.model.filepath": "m.gguf"}}]},
        {"layers": "none"},
        {"manifests": [{}]},
        {"layers": [{"mediaType": "x.tar", "digest": digest_of(b"x"), "size": None}]},
    ],
)
def test_a_manifest_of_another_shape_is_said_in_one_line(pod, registry, manifest):
    registry.put("team/m", "1", manifest)
    with pytest.raises(CommandError, match="is not what oci servers give"):
        pod.fetch(URI)


def test_annotations_may_be_null(pod, registry):
    registry.push("1", layer({"m.gguf": MODEL}))
    inner = json.loads(registry.manifests["team/m:1"])
    image = registry.put("team/m", "amd64", inner | {"annotations": None})
    listed = [{"digest": image, "annotations": None}]
    registry.put("team/m", "1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})
    assert pod.fetch(URI).read_bytes() == MODEL
