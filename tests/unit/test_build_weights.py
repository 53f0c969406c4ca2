"""What a pod mounts to bring its files: Secrets for the container that fetches, a cache, no image that is pulled."""

from dataclasses import replace
from typing import Any

import make
import pytest
from harness import NOW, SETTINGS, stores, world

from inferfleet.api.artifacts import Source
from inferfleet.catalog import loader
from inferfleet.fleet.build import build
from inferfleet.fleet.build.volumes import Brought, mounts
from inferfleet.fleet.observe import observe
from inferfleet.fleet.plan import make_plan
from inferfleet.fleet.reconcile import view
from inferfleet.fleet.types import Obj
from inferfleet.fleet.validate import validate
from inferfleet.settings import Settings
from inferfleet_runtime import contract
from inferfleet_runtime.contract import RuntimeConfig

SECRET = {"secretName": "hf-token", "key": "token"}
HF = {"uri": "hf://org/m/m.gguf", "revision": "main", "credentials": SECRET}
OCI = {"uri": "oci://registry.example.com/m:1"}


def made(source: Obj, settings: Settings = SETTINGS, **spec: Any) -> tuple[Obj, RuntimeConfig]:
    """The pod's spec and what it is told."""
    variants = [{"name": "q8", "quantization": "Q8_0", "source": source}]
    found = built_with(settings, make.model(variants=variants, **spec))
    (deployment,) = [o for o in found if o["kind"] == "Deployment"]
    (config,) = [o for o in found if o["kind"] == "ConfigMap"]
    return deployment["spec"]["template"]["spec"], RuntimeConfig.model_validate_json(
        config["data"][contract.CONFIG_PATH.name]
    )


def volume(pod: Obj, name: str) -> Obj:
    (found,) = [v for v in pod["volumes"] if v["name"].startswith(name)]
    return dict(found)


def mounted(pod: Obj, container: str) -> dict[str, Obj]:
    (found,) = [c for c in (*pod["initContainers"], *pod["containers"]) if c["name"] == container]
    return {m["mountPath"]: m for m in found["volumeMounts"]}


def test_the_key_of_a_secret_is_mounted_for_fetch_alone() -> None:
    pod, config = made(HF)
    folder = config.source.credentials
    assert folder
    assert config.source.revision == "main"
    items = [{"key": "token", "path": "credential"}]
    assert volume(pod, folder)["secret"] == {"secretName": "hf-token", "items": items, "defaultMode": 0o440}
    path = str(contract.CREDENTIALS_DIR / folder)
    assert mounted(pod, "fetch")[path]["readOnly"]
    assert path not in mounted(pod, "serve")


def test_keys_of_aws_are_three_and_the_last_may_be_missing() -> None:
    source = {"uri": "s3://b/m.gguf", "credentials": {"secretName": "s3", "key": "accessKeyId"}}
    pod, _ = made(source)
    one, other = volume(pod, "credentials-")["projected"]["sources"]
    assert [i["path"] for i in one["secret"]["items"]] == ["accessKeyId", "secretAccessKey"]
    assert other["secret"]["optional"]
    assert "optional" not in one["secret"]


def test_one_secret_of_several_sources_is_mounted_once() -> None:
    adapters = [{"name": f"a{n}", "source": {**HF, "uri": f"hf://org/m/a{n}.gguf"}} for n in (1, 2)]
    pod, config = made(HF, adapters=adapters)
    assert volume(pod, "credentials-")
    assert config.adapters
    assert {a.source.credentials for a in config.adapters} == {config.source.credentials}


def test_an_image_is_mounted_unless_fetch_pulls_it() -> None:
    assert volume(made(OCI)[0], "image")
    for pod, _ in (made(OCI | {"credentials": SECRET}), made(OCI, replace(SETTINGS, pull_model_images=True))):
        assert not [v for v in pod["volumes"] if v["name"] == "image"]
        assert str(contract.IMAGE_VOLUME_DIR) not in mounted(pod, "fetch")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"weights_cache_path": "/models"}, {"hostPath": {"path": "/models", "type": "Directory"}}),
        ({"weights_cache_claim": "models"}, {"persistentVolumeClaim": {"claimName": "models"}}),
    ],
)
def test_the_cache_is_written_by_fetch_and_only_read_by_serve(settings: dict[str, str], expected: Obj) -> None:
    pod, _ = made(HF, replace(SETTINGS, weights_cache_bytes=10, **settings))
    cache, leases = str(contract.CACHE_DIR), str(contract.LEASES_DIR)
    assert volume(pod, "cache") == {"name": "cache", **expected}
    assert "readOnly" not in mounted(pod, "fetch")[cache]
    assert mounted(pod, "serve")[cache]["readOnly"]
    assert mounted(pod, "serve")[leases]["subPath"] == "leases"
    assert leases not in mounted(pod, "fetch")
    assert pod["initContainers"][0]["env"] == [{"name": contract.CACHE_BYTES, "value": "10"}]


@pytest.mark.parametrize(("settings", "expected"), [({}, False), ({"weights_cache_path": "/models"}, True)])
def test_the_container_that_quantizes_renews_leases_where_there_is_a_cache(
    settings: dict[str, str], expected: bool
) -> None:
    brought = Brought([Source.model_validate(HF)], replace(SETTINGS, **settings))
    paths = [mount["mountPath"] for mount in mounts(brought, "quantize")]
    assert (str(contract.LEASES_DIR) in paths) is expected


def test_variables_are_for_fetch_alone() -> None:
    pod, _ = made(HF, replace(SETTINGS, fetch_env={"HF_ENDPOINT": "https://hub.example.com"}))
    assert pod["initContainers"][0]["env"] == [{"name": "HF_ENDPOINT", "value": "https://hub.example.com"}]
    assert "env" not in pod["containers"][0]


@pytest.mark.parametrize("uri", ["file:///m.gguf", "pvc://claim/m.gguf"])
def test_files_that_are_there_already_get_no_credentials(uri: str) -> None:
    pod, config = made({"uri": uri, "credentials": SECRET, "revision": "x"})
    assert config.source.credentials is None
    assert config.source.revision is None
    assert not [v for v in pod["volumes"] if v["name"].startswith("credentials")]


def built_with(settings: Settings, model: Obj) -> list[Obj]:
    """As the operator with these settings builds it."""
    cluster = world(make.node(), make.pool(), make.workload_class(), model)
    seen = observe(("default", "demo"), stores(cluster), NOW, 1e9)
    plan = make_plan(seen, validate(seen, loader.load(), settings), {})
    return build(view(seen), plan, settings)
