import json
import logging

import pytest
from fakes.configs import configuration

from inferfleet_runtime.__main__ import run
from inferfleet_runtime.config import Paths, load
from inferfleet_runtime.contract import CONFIG_PATH, RuntimeConfig
from inferfleet_runtime.engines import ENGINES
from inferfleet_runtime.engines.llama_cpp import server_settings
from inferfleet_runtime.errors import ConfigError

GOOD = configuration(slots=3, contextTokens=300, threads=2)


@pytest.fixture(autouse=True)
def root_logger():
    """`run` sets up logging for a whole process; the next test gets the old state back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def written(tmp_path, values):
    file = tmp_path / CONFIG_PATH.relative_to("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(values if isinstance(values, str) else json.dumps(values))
    return file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slots": 0}, "slots: input should be greater than or equal to 1"),
        ({"source": {"uri": "ftp://x"}}, "source.uri: string should match"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"engine": "steam"}, "engine: there is no steam; there are "),
        ({"quantize": {"type": "Q3_K"}}, "Q3_K cannot be made; IQ3_M, IQ3_S, "),
        (
            {"contextTokens": 64, "benchmark": {"promptTokens": 60, "outputTokens": 5}},
            "are 65, more than contextTokens 64",
        ),
    ],
)
def test_a_wrong_value_is_one_line_with_file_and_field(tmp_path, change, message):
    file = written(tmp_path, GOOD | change)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_wrong_values_are_named_at_once(tmp_path):
    with pytest.raises(ConfigError, match=r"slots: .*; threads: "):
        load(written(tmp_path, GOOD | {"slots": 0, "threads": 0}))


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_a_file_that_is_no_object_is_a_config_error(tmp_path, text):
    with pytest.raises(ConfigError, match=r"runtime\.json"):
        load(written(tmp_path, text))


def test_a_missing_file_says_which_option_names_it(tmp_path):
    with pytest.raises(ConfigError, match="--config"):
        load(tmp_path / "none.json")


def test_paths_lie_below_the_root(tmp_path):
    paths = Paths(tmp_path)
    assert paths.fetched == tmp_path / "var/lib/inferfleet/weights/model.gguf"
    assert paths.image == tmp_path / "var/lib/inferfleet/image"


def test_the_engine_gets_whole_context_steps_for_every_slot():
    config = RuntimeConfig.model_validate(GOOD)
    settings = server_settings(config, Paths().at(config.weights_file()))
    assert settings.context_tokens == 3 * 512
    assert settings.model == "/var/lib/inferfleet/weights/model.gguf"
    assert (settings.slots, settings.threads, settings.batch_tokens) == (3, 2, 512)


@pytest.mark.parametrize(("needed", "held"), [(1, 256), (256, 256), (257, 512), (4096, 4096)])
def test_a_slot_holds_whole_context_steps(needed, held):
    assert ENGINES["llama-cpp"].slot_context_tokens(needed) == held


def test_a_step_of_the_engine_holds_a_token_of_every_slot():
    config = RuntimeConfig.model_validate(GOOD | {"slots": 64, "prefillChunkTokens": 8})
    assert server_settings(config, Paths().fetched).batch_tokens == 64


def test_a_kv_cache_in_fewer_bits_takes_less_and_an_unknown_format_is_the_default():
    profile = ENGINES["llama-cpp"]
    assert profile.with_kv_cache("Q8_0").kv_bytes_per_element == 34 / 32
    assert profile.with_kv_cache(None) == profile.with_kv_cache("FP3") == profile


def test_check_config_prints_what_follows(tmp_path, capsys):
    written(tmp_path, GOOD)
    assert run(["check-config", "--root", str(tmp_path)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["config"]["servedModelName"] == "team/m"
    assert shown["engine"]["context_tokens"] == 1536


def test_a_config_error_exits_with_2_and_one_plain_last_line(tmp_path, capsys):
    written(tmp_path, GOOD | {"slots": -1})
    assert run(["check-config", "--root", str(tmp_path)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("inferfleet-runtime check-config: ")


def test_a_failure_exits_with_1_and_says_what_to_do(tmp_path, capsys):
    written(tmp_path, GOOD | {"source": {"uri": f"file://{tmp_path}/none.gguf"}})
    assert run(["fetch", "--root", str(tmp_path)]) == 1
    assert "there is no file" in capsys.readouterr().err.splitlines()[-1]


def test_quantize_without_a_type_does_nothing(tmp_path):
    written(tmp_path, GOOD)
    assert run(["quantize", "--root", str(tmp_path)]) == 0
    assert not Paths(tmp_path).weights.exists()


def test_serve_without_weights_says_what_to_run(tmp_path, capsys):
    written(tmp_path, GOOD)
    assert run(["serve", "--root", str(tmp_path)]) == 1
    assert "inferfleet-runtime fetch" in capsys.readouterr().err.splitlines()[-1]
