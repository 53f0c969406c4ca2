"""s3://: signatures, keys of every kind, listings, checksums; against a server that checks signatures."""

import base64
import hashlib
import random
from datetime import UTC, datetime, timedelta

import pytest
from fakes.fetching import START, Pod, gguf
from fakes.s3_server import S3
from fakes.store import Asked, Reply, serving

from inferfleet_runtime.contract import Source
from inferfleet_runtime.errors import CommandError
from inferfleet_runtime.weights.sources.aws import Identity
from inferfleet_runtime.weights.sources.credentials import Credentials
from inferfleet_runtime.weights.sources.http_client import Http
from inferfleet_runtime.weights.sources.seam import Asked as SourceAsked
from inferfleet_runtime.weights.sources.sigv4 import Keys, Scope, signed

MODEL = gguf(300_000)
STATIC = {"accessKeyId": "AKIA1", "secretAccessKey": "s3cr3t/+="}
EXAMPLE = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
KEY = "models/a b+c(1)~é.gguf"
"""Every character here is encoded in a way of its own."""


@pytest.fixture
def s3():
    found = S3(buckets={"b": {KEY: MODEL, "models/": b""}}, keys={"AKIA1": "s3cr3t/+="})
    with serving(found):
        yield found


@pytest.fixture
def pod(tmp_path, s3):
    return Pod(tmp_path, {"AWS_ENDPOINT_URL": s3.base})


@pytest.mark.parametrize(
    ("query", "signature"),
    [
        ("?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)
def test_signatures_are_those_of_the_documentation(query, signature):
    # docs.aws.amazon.com, Amazon S3 API reference: "Signature calculations for the authorization header", examples
    url = f"https://examplebucket.s3.amazonaws.com/{query}"
    headers = signed("GET", url, EXAMPLE, Scope("us-east-1"), datetime(2013, 5, 24, tzinfo=UTC))
    assert headers["Authorization"].endswith(f"Signature={signature}")


def test_an_object_is_fetched_with_the_keys_of_a_secret(pod):
    assert pod.fetch(f"s3://b/{KEY.replace(' ', '%20')}", secret=STATIC).read_bytes() == MODEL


def test_a_key_with_a_question_mark_or_a_hash_is_one_key(pod, s3):
    s3.buckets["b"]["a?b#c.gguf"] = MODEL
    assert pod.fetch("s3://b/a?b#c.gguf", secret=STATIC).read_bytes() == MODEL


def test_an_aws_credentials_file_is_understood(pod):
    text = "[other]\naws_access_key_id=x\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key = s3cr3t/+=\n"
    assert pod.fetch("s3://b/models", secret={"credential": text}).exists()


@pytest.mark.parametrize("text", ["nonsense", "[a]\nx=1\n[b]\ny=1\n", "[default]\naws_access_key_id=x\n", "%(x)s"])
def test_what_is_no_credentials_file_is_refused_without_being_shown(pod, text):
    with pytest.raises(CommandError, match="accessKeyId") as refusal:
        pod.fetch("s3://b/models", secret={"credential": text})
    assert text not in str(refusal.value)


def test_keys_of_the_environment_with_their_session_token(tmp_path, s3):
    s3.keys["ASIA"], s3.tokens["ASIA"] = "x", "session"
    env = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "session"}
    assert Pod(tmp_path, {"AWS_ENDPOINT_URL": s3.base, **env}).fetch("s3://b/models").exists()


def test_a_wrong_secret_is_said_with_its_code(pod):
    with pytest.raises(CommandError, match=r"HTTP 403.*check the credentials"):
        pod.fetch("s3://b/models/x", secret=STATIC | {"secretAccessKey": "wrong"})
    assert pod.left() == []


@pytest.mark.parametrize("uri", ["s3://b/models", "s3://b/models/"])
def test_the_region_of_the_bucket_is_found_out(pod, s3, uri):
    s3.region = "eu-west-1"
    assert pod.fetch(uri, secret=STATIC).read_bytes() == MODEL


def test_a_public_bucket_needs_no_keys(pod, s3):
    s3.keys.clear()
    assert pod.fetch("s3://b/models").read_bytes() == MODEL
    assert not any("Authorization" in asked.headers for asked in s3.asked)


def test_the_only_gguf_below_a_prefix_and_a_choice_of_several(pod, s3):
    assert pod.fetch("s3://b/models/", secret=STATIC).exists()
    s3.buckets["b"] |= {f"models/q{n}.gguf": MODEL for n in (4, 5, 6)}
    with pytest.raises(CommandError, match=r"holds 4 GGUF files; name one of .*s3://b/models/q4\.gguf"):
        pod.fetch("s3://b/models", secret=STATIC, sha256="0" * 64)


def test_a_folder_is_the_objects_below_a_prefix(pod, s3):
    s3.buckets["b"] = {f"m/{n}": gguf(2000, 4) for n in ("config.json", "a.safetensors", "b/c.safetensors", "x.py")}
    folder = pod.fetch("s3://b/m", "directory", secret=STATIC)
    names = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    assert names == ["a.safetensors", "b/c.safetensors", "config.json"]


def test_what_is_not_there_is_said(pod):
    with pytest.raises(CommandError, match="no such object, and none below it"):
        pod.fetch("s3://b/none.gguf", secret=STATIC)


def test_a_bucket_without_a_name_is_refused(pod):
    with pytest.raises(CommandError, match="names no bucket"):
        pod.fetch("s3:///x")


@pytest.mark.parametrize("seed", range(4))
def test_cuts_are_gone_on_with_while_the_object_is_the_same(pod, s3, seed):
    rng = random.Random(seed)
    s3.cuts = [rng.randrange(100_000) for _ in range(5)]
    assert pod.fetch("s3://b/models/", secret=STATIC).read_bytes() == MODEL
    assert all("If-Match" in asked.headers for asked in s3.files_asked())


def test_an_object_replaced_meanwhile_is_never_mixed(pod, s3):
    s3.cuts, answer = [100_000], s3.answer

    def replacing(asked):
        reply = answer(asked)
        if asked.method == "GET" and s3.is_content(asked):
            s3.buckets["b"][KEY] = gguf(300_000, 9)
        return reply

    s3.answer = replacing
    with pytest.raises(CommandError, match=r"HTTP 412.*changed while it was downloaded"):
        pod.fetch("s3://b/models/", secret=STATIC)
    s3.answer = answer
    assert pod.fetch("s3://b/models/", secret=STATIC).read_bytes() == gguf(300_000, 9)


def test_a_checksum_of_the_store_is_verified(pod, s3):
    s3.checksums[KEY] = base64.b64encode(hashlib.sha256(MODEL).digest()).decode()
    assert pod.fetch("s3://b/models/", secret=STATIC).exists()
    s3.checksums[KEY] = base64.b64encode(bytes(32)).decode()
    with pytest.raises(CommandError, match=f"expected {'0' * 64}"):
        pod.fetch("s3://b/models/", secret=STATIC, sha256="0" * 64)
    assert pod.left() == []


def test_a_checksum_of_parts_says_nothing_about_the_whole(pod, s3):
    s3.checksums[KEY] = f"{base64.b64encode(bytes(32)).decode()}-3"
    assert pod.fetch("s3://b/models/", secret=STATIC).exists()


def web_identity(tmp_path, s3):
    token = tmp_path / "token"
    token.write_text("jwt")
    s3.web_tokens["jwt"] = "arn:aws:iam::1:role/r"
    return {
        "AWS_ENDPOINT_URL": s3.base,
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
    }


def test_a_web_identity_is_exchanged_for_keys_once(tmp_path, s3):
    assert Pod(tmp_path, web_identity(tmp_path, s3)).fetch("s3://b/models").exists()
    assert len([a for a in s3.asked if b"AssumeRole" in a.body]) == 1
    assert not any("jwt" in a.path for a in s3.asked)


def test_keys_that_end_are_asked_for_again_in_time(tmp_path, s3):
    pod = Pod(tmp_path, web_identity(tmp_path, s3))
    s3.expires = START + timedelta(minutes=5, seconds=1)
    s3.cuts = [1000, 0, 0, 0]  # the pauses outlast the keys
    assert pod.fetch("s3://b/models").read_bytes() == MODEL
    assert len([a for a in s3.asked if b"AssumeRole" in a.body]) > 1


def test_a_refused_web_identity_does_not_show_its_token(tmp_path, s3):
    env = web_identity(tmp_path, s3) | {"AWS_ROLE_ARN": "arn:aws:iam::1:role/other"}
    with pytest.raises(CommandError, match="HTTP 403") as refusal:
        Pod(tmp_path, env).fetch("s3://b/models")
    assert "jwt" not in str(refusal.value)


def test_files_of_a_folder_that_came_before_a_restart_are_not_downloaded_again(pod, s3):
    weights = {f"m/{name}.safetensors": gguf(20_000, number) for number, name in enumerate("abc")}
    s3.buckets["b"] = {"m/config.json": b"{}", **weights}
    s3.cuts = [20_000, 20_000] + [0] * 6
    with pytest.raises(CommandError, match="gave up"):
        pod.fetch("s3://b/m", "directory", secret=STATIC)
    s3.cuts, before = [], len(s3.files_asked())
    s3.buckets["b"]["m/a.safetensors"] = gguf(20_000, 9)
    folder = pod.fetch("s3://b/m", "directory", secret=STATIC)
    asked = [a.path.rpartition("/")[2] for a in s3.files_asked()[before:]]
    assert asked == ["a.safetensors", "c.safetensors", "config.json"]  # one was replaced, two never came
    assert (folder / "a.safetensors").read_bytes() == gguf(20_000, 9)
    assert sorted(p.name for p in folder.iterdir()) == [
        "a.safetensors",
        "b.safetensors",
        "c.safetensors",
        "config.json",
    ]


def test_a_header_that_is_not_signed_is_refused_by_the_server_of_these_tests(s3):
    url = f"{s3.base}/b/models/"
    headers = signed("GET", url, Keys("AKIA1", "s3cr3t/+="), Scope("us-east-1"), START)
    host = {"Host": s3.base.removeprefix("http://")}
    assert s3.answer(Asked("GET", "/b/models/", headers | host)).status == 200
    unsigned = {"X-Amz-Checksum-Mode": "ENABLED"}
    assert s3.answer(Asked("GET", "/b/models/", headers | host | unsigned)).status == 403


def test_the_address_of_a_pods_identity_is_asked_past_any_proxy(tmp_path, s3, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    keys = {"AccessKeyId": "AKIA1", "SecretAccessKey": "x", "Token": "t", "Expiration": "2026-11-21T00:00:00Z"}
    s3.answer = lambda asked: Reply.json(keys)
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{s3.base}/v1/credentials"}
    asked = SourceAsked(Source(uri="s3://b/m"), Credentials(None), env, Http(Pod(tmp_path).time.clock))
    assert Identity(asked, "us-east-1").keys().access == "AKIA1"
