"""Vendors' engines: what is rendered for each, against the options that its documentation has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fakes.vendor_configs import configs, vendor_config
from hypothesis import given, settings
from hypothesis import strategies as st

from inferfleet_runtime.__main__ import run
from inferfleet_runtime.config import Paths
from inferfleet_runtime.contract import PORT, RuntimeConfig
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.vendors.render import VENDORS, render
from inferfleet_runtime.engines.vendors.vendor import Container, UnsupportedError, VendorEngine
from inferfleet_runtime.weights import notes

DATA = Path(__file__).parent / "data"
DOCUMENTED = json.loads((DATA / "vendor_options.json").read_text())
VLLM_OPTIONS = set(json.loads((DATA / "vllm_options.json").read_text())["options"])
BESIDE = sorted(name for name, engine in VENDORS.items() if engine.shape == "Beside")
every_engine = pytest.mark.parametrize("engine", VENDORS.values(), ids=lambda engine: engine.name)
NUMBER = re.compile(r"-\d+")


def flags(container: Container) -> list[str]:
    """Options of a command line, which no value here looks like."""
    words = (*container.command, *container.args)
    return [word for word in words if word.startswith("-") and not NUMBER.fullmatch(word) and word != "-m"]


def rendered(name: str, **changes: Any) -> Container:
    kind = next(iter(VENDORS[name].images), "cuda")
    return render(vendor_config(name, **({"device": {"kind": kind, "quantization": "BF16"}} | changes)))


def asked(config: RuntimeConfig) -> Container | str:
    """The container, or the words with which it is refused."""
    try:
        return render(config)
    except UnsupportedError as refusal:
        return str(refusal)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(set(VENDORS) - {"vllm", "ray-serve"})).flatmap(configs))
def test_whatever_is_asked_becomes_documented_options_or_words(config: RuntimeConfig) -> None:
    container = asked(config)
    if isinstance(container, str):
        assert container.startswith(f"{config.engine} ")
        return
    documented = DOCUMENTED[config.engine]
    assert set(flags(container)) <= set(documented["options"])
    own = {name for name in container.env if name.startswith(("MAX_", "NIM_"))}
    assert own <= set(documented.get("environment", ()))
    passed = container.env.get("NIM_PASSTHROUGH_ARGS", "").split()
    assert {word for word in passed if word.startswith("--")} <= VLLM_OPTIONS


@given(st.sampled_from(["tensorrt-llm", "triton", "ray-serve"]).flatmap(configs))
def test_files_hold_documented_settings(config: RuntimeConfig) -> None:
    container = asked(config)
    if isinstance(container, str):
        return
    files = container.files
    documented = set(DOCUMENTED[config.engine]["settings"])
    for path, text in files.items():
        if not path.endswith(".pbtxt"):
            found = yaml.safe_load(text)  # JSON is YAML, and YAML is what most of them read
            assert found.keys() <= documented
            if config.engine == "tensorrt-llm":
                nested = {f"{k}.{n}" for k, v in found.items() if isinstance(v, dict) for n in v}
                assert nested <= documented


@pytest.mark.parametrize("name", BESIDE)
def test_everything_beside_the_sidecar_serves_where_services_look_for_it(name: str) -> None:
    container = rendered(name)
    said = " ".join((*container.command, *container.args, *container.env.values(), *container.files.values()))
    assert str(PORT) in re.findall(r"\d+", said)
    assert "/var/lib/inferfleet/weights/model" in said


@pytest.mark.parametrize("name", BESIDE)
def test_slots_and_context_reach_every_engine(name: str) -> None:
    container = rendered(name, slots=37, context_tokens=4711)
    said = " ".join((*container.command, *container.args, *container.env.values(), *container.files.values()))
    assert {"37", "4711"} <= set(re.findall(r"\d+", said))


@every_engine
def test_a_method_of_speculation_is_rendered_where_the_engine_has_it_and_refused_elsewhere(
    engine: VendorEngine,
) -> None:
    for kind in engine.images:
        for method in ("Draft", "EAGLE3", "Medusa", "MTP", "NGram"):
            wanted: dict[str, Any] = {"method": method, "tokens": 3}
            if method in ("Draft", "EAGLE3", "Medusa"):
                wanted["source"] = {"uri": "hf://a/b"}
            device = {"kind": kind, "quantization": "BF16"}
            config = vendor_config(engine.name, speculation=wanted, device=device)
            if method in engine.speculation.get(kind, ()):
                assert engine.render(config) != engine.render(config.model_copy(update={"speculation": None}))
            else:
                with pytest.raises(UnsupportedError, match=f"{engine.name} has no speculation by {method}"):
                    engine.render(config)


@every_engine
def test_a_device_without_a_build_is_refused(engine: VendorEngine) -> None:
    if engine.shape == "Beside":
        missing = {"cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"} - set(engine.images)
        for kind in missing:
            with pytest.raises(UnsupportedError, match=f"{engine.name} does not run on {kind}"):
                engine.render(vendor_config(engine.name, device={"kind": kind, "quantization": "BF16"}))


@every_engine
def test_every_device_has_a_budget_to_start_in(engine: VendorEngine) -> None:
    assert set(engine.startup_seconds) == set(engine.images)


@every_engine
def test_what_it_lacks_is_written_down(engine: VendorEngine) -> None:
    assert engine.lacks
    assert engine.version


@pytest.mark.parametrize("name", ["nim", "triton", "ray-serve"])
def test_an_engine_that_wraps_another_speaks_for_itself(name: str) -> None:
    with pytest.raises(UnsupportedError, match=f"{name} has no KV cache in Q8_0"):
        rendered(name, kv_cache={"dtype": "Q8_0"})


def test_sglang_runs_out_of_the_box_with_metrics_and_reachable() -> None:
    words = rendered("sglang").args
    assert "--enable-metrics" in words
    assert words[words.index("--host") + 1] == "0.0.0.0"


def test_sglang_speculates_in_a_chain() -> None:
    wanted = {"method": "EAGLE3", "tokens": 3, "source": {"uri": "hf://a/b"}}
    words = rendered("sglang", speculation=wanted).args
    at = words.index("--speculative-num-steps")
    assert words[at : at + 6] == (
        *("--speculative-num-steps", "3", "--speculative-eagle-topk", "1"),
        *("--speculative-num-draft-tokens", "4"),
    )


def test_tensorrt_llm_is_told_to_keep_series() -> None:
    (text,) = rendered("tensorrt-llm").files.values()
    assert yaml.safe_load(text)["return_perf_metrics"] is True


def test_a_model_of_triton_is_a_folder_named_after_it() -> None:
    files = rendered("triton", served_model_name="team/llama").files
    assert set(files) == {"repository/llama/config.pbtxt", "repository/llama/1/model.json"}
    assert json.loads(files["repository/llama/1/model.json"])["max_num_seqs"] == 4


def test_ray_serve_gets_one_replica_of_one_model() -> None:
    (text,) = rendered("ray-serve").files.values()
    (application,) = yaml.safe_load(text)["applications"]
    (model,) = application["args"]["llm_configs"]
    assert model["deployment_config"]["num_replicas"] == 1
    assert model["model_loading_config"]["model_id"] == "default/demo"


def test_mlx_is_a_command_for_a_mac() -> None:
    wanted = {"method": "Draft", "tokens": 2, "source": {"uri": "hf://a/b"}}
    container = rendered("mlx", speculation=wanted)
    assert container.command == ("mlx_lm.server",)
    assert set(flags(container)) <= set(DOCUMENTED["mlx"]["options"])
    with pytest.raises(UnsupportedError, match="mlx has no speculation by NGram"):
        rendered("mlx", speculation={"method": "NGram"})


def test_the_container_of_any_vendors_engine_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runtime.json"
    file.write_text(vendor_config("sglang").model_dump_json(by_alias=True, exclude_none=True))
    assert run(["check-config", "--config", str(file)]) == 0
    shown = json.loads(capsys.readouterr().out)["engine"]
    assert shown["image"] == VENDORS["sglang"].images["cuda"]
    assert "--enable-metrics" in shown["args"]


def test_what_an_engine_lacks_is_a_wrong_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runtime.json"
    config = vendor_config("sglang", speculation={"method": "Medusa", "source": {"uri": "hf://a/b"}})
    file.write_text(config.model_dump_json(by_alias=True, exclude_none=True))
    assert run(["check-config", "--config", str(file)]) == 2
    assert "sglang has no speculation by Medusa on cuda; it has Draft, EAGLE3, MTP, NGram" in capsys.readouterr().err
    assert run(["serve", "--config", str(file)]) == 2
    assert "serves in an image of its own" in capsys.readouterr().err


def test_speculators_and_adapters_of_vendors_engines_are_fetched_as_folders_where_they_are_rendered() -> None:
    adapters = [{"name": "sql", "source": {"uri": "hf://a/c"}}]
    wanted = {"method": "EAGLE3", "source": {"uri": "hf://a/b"}}
    config = vendor_config("sglang", speculation=wanted, adapters=adapters)
    items = {str(item.target): item.wants for item in notes.wanted(config, Paths())}
    assert set(items.values()) == {"directory"}
    words = [word.partition("=")[2] or word for word in VENDORS["sglang"].render(config).args]
    assert set(items) <= set(words)


def test_engines_that_are_planned_with_and_rendered_have_one_shape() -> None:
    for name in set(ENGINES) & set(VENDORS):
        assert ENGINES[name].shape == VENDORS[name].shape
    assert {name for name, profile in ENGINES.items() if profile.shape != "Bundled"} <= set(VENDORS)
