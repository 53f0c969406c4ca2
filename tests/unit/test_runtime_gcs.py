"""gs://: tokens of every kind, generations, listings; against a server that speaks the JSON API."""

import json
import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes.fetching import Pod, gguf
from fakes.gcs_server import Gcs
from fakes.store import serving

from inferfleet_runtime.errors import CommandError

MODEL = gguf(200_000)
NAME = "models/a b+c.gguf"


@pytest.fixture
def gcs():
    found = Gcs(buckets={"b": {NAME: MODEL, "models/": b""}})
    with serving(found):
        yield found


@pytest.fixture
def pod(tmp_path, gcs):
    return Pod(tmp_path, {"STORAGE_EMULATOR_HOST": gcs.base})


def test_a_public_object_needs_no_token(pod):
    assert pod.fetch("gs://b/models/a b+c.gguf").read_bytes() == MODEL


def test_the_only_gguf_below_a_name(pod, gcs):
    gcs.buckets["b"] |= {f"models/{n}.txt": b"x" for n in range(5)}
    assert pod.fetch("gs://b/models").read_bytes() == MODEL


def test_a_folder(pod, gcs):
    gcs.buckets["b"] = {f"m/{n}": gguf(2000, 4) for n in ("config.json", "a.safetensors", "b/c.safetensors")}
    folder = pod.fetch("gs://b/m", "directory")
    assert (folder / "b" / "c.safetensors").read_bytes() == gguf(2000, 4)


def test_what_is_not_there_is_said(pod):
    with pytest.raises(CommandError, match="no such object"):
        pod.fetch("gs://b/none")


def test_an_access_token_of_a_secret(pod, gcs):
    gcs.token = "ya29"
    with pytest.raises(CommandError, match=r"HTTP 401 .*Anonymous caller.*check the credentials"):
        pod.fetch("gs://b/models")
    assert pod.fetch("gs://b/models", secret={"credential": "ya29"}).read_bytes() == MODEL


def test_a_key_of_a_service_account_is_exchanged_for_a_token(pod, gcs):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    gcs.token, gcs.key = "ya29", key.public_key()
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    account = {"client_email": "a@b", "private_key_id": "1", "private_key": pem, "token_uri": f"{gcs.base}/token"}
    assert pod.fetch("gs://b/models", secret={"credential": json.dumps(account)}).read_bytes() == MODEL
    assert len([a for a in gcs.asked if a.path == "/token"]) == 1


def test_what_is_no_key_of_a_service_account_is_not_shown(pod, gcs):
    gcs.token = "ya29"
    with pytest.raises(CommandError, match="no key of a service account") as refusal:
        pod.fetch("gs://b/models", secret={"credential": '{"private_key": "hidden"}'})
    assert "hidden" not in str(refusal.value)


def test_the_metadata_server_gives_the_token_of_the_pod(tmp_path, gcs):
    gcs.token = "ya29"
    host = gcs.base.removeprefix("http://")
    pod = Pod(tmp_path, {"STORAGE_EMULATOR_HOST": gcs.base, "GCE_METADATA_HOST": host})
    assert pod.fetch("gs://b/models").read_bytes() == MODEL


@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_gone_on_with(pod, gcs, seed):
    rng = random.Random(seed)
    gcs.cuts = [rng.randrange(60_000) for _ in range(4)]
    assert pod.fetch("gs://b/models").read_bytes() == MODEL


def test_an_object_replaced_meanwhile_is_never_mixed(pod, gcs):
    gcs.cuts, answer = [1000], gcs.answer

    def replacing(asked):
        reply = answer(asked)
        if gcs.is_content(asked):
            gcs.generations[NAME] = 2
        return reply

    gcs.answer = replacing
    with pytest.raises(CommandError, match="HTTP 404"):
        pod.fetch("gs://b/models")


def test_a_digest_of_the_store_is_verified(pod, gcs):
    gcs.md5[NAME] = "A" * 22 + "=="
    with pytest.raises(CommandError, match="md5 digest"):
        pod.fetch("gs://b/models")
    assert pod.left() == []
