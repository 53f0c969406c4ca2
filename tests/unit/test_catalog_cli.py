"""`inferfleet catalog`: what people see."""

import json
import re
from pathlib import Path

import pytest
import yaml

from inferfleet.__main__ import main


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["catalog", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["catalog", *words]) == 1
    return capsys.readouterr().err


def test_hardware_is_listed_with_units_in_the_headings(capsys: pytest.CaptureFixture[str]) -> None:
    head, *rows, legend = shown(capsys, "list", "hardware").splitlines()
    assert head.split("  ") != head
    assert all(unit in head for unit in ("GB", "GB/s", "BF16 TFLOP/s", "W", "USD/h"))
    row = next(row for row in rows if row.startswith("nvidia-h100-80gb"))
    assert row.split() == ["nvidia-h100-80gb", "GPU", "Full", "85.5", "3350", "989", "1978", "1978", "-", "700", "6.88"]
    assert next(row for row in rows if row.startswith("google-tpu-v6e")).split()[-2] == "n/p"
    assert legend == "-: not stated, n/p: not published, n/f: not found, n/v: not verified, n/a: not applicable"


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("engines", "llama-cpp Full yes Text, Embedding CPU, CUDA"),
        ("quantizations", "Q4_K_M KQuant 4.89 0.6118 INT8 GGUF"),
        ("models", "llama-3.1-8b Text 8.03 8.03 GQA 128 131072"),
        ("workloads", "realtime-chat Text"),
    ],
)
def test_every_kind_is_listed_in_aligned_columns(capsys: pytest.CaptureFixture[str], kind: str, row: str) -> None:
    lines = shown(capsys, "list", kind).splitlines()
    assert any(" ".join(line.split()).startswith(row) for line in lines)
    assert lines[0].startswith("NAME")


def test_a_list_without_a_kind_has_all_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "list")
    for kind in ("hardware", "engines", "quantizations", "models", "workloads"):
        assert f"{kind}\nNAME" in text


def test_lists_and_entries_are_machine_readable(capsys: pytest.CaptureFixture[str]) -> None:
    listed = json.loads(shown(capsys, "list", "hardware", "-o", "json"))
    l4 = next(entry for entry in listed if entry["name"] == "nvidia-l4")
    assert l4["memoryBandwidth"] == 300e9
    assert l4 == yaml.safe_load(shown(capsys, "show", "nvidia-l4", "-o", "yaml"))
    assert set(json.loads(shown(capsys, "list", "-o", "json"))) == {
        "hardware",
        "engines",
        "quantizations",
        "models",
        "workloads",
    }


def test_what_is_shown_as_yaml_can_be_given_as_an_override(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    entry = yaml.safe_load(shown(capsys, "show", "nvidia-l4", "-o", "yaml"))
    (tmp_path / "hardware.yaml").write_text(yaml.safe_dump([{**entry, "name": "own-l4", "onDemandPrice": 0.3}]))
    text = shown(capsys, "show", "own-l4", "--catalog", str(tmp_path))
    assert "onDemandPrice          0.3 USD/h" in text


def test_hardware_is_shown_with_units_what_runs_there_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "show", "hardware", "nvidia-b200-180gb")
    head, sources = text.split("\nSources\n")
    assert "  memoryBandwidth        7700 GB/s\n" in head
    assert "FP4 9000 TFLOP/s" in head
    assert "  tdpWatts               1000 W\n" in head
    assert "  vllm           Unsupported: INT8\n" in head
    assert "no-int8-vllm: INT8 (W8A8) does not run in vLLM" in head
    assert "  onDemandPrice: generated price table" in sources
    assert "[Verified, 2026-07-20]" in sources


def test_a_quantization_is_shown_with_what_runs_it_where(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "show", "NVFP4")
    assert "  vllm           Documented: sm100, sm103\n" in text
    assert "bytesPerWeight         0.5625 bytes" in text


@pytest.mark.parametrize(("name", "found"), [("FP16", "F16"), ("q4_k_m", "Q4_K_M"), ("LLAMA-CPP", "llama-cpp")])
def test_aliases_and_other_capitals_are_understood(capsys: pytest.CaptureFixture[str], name: str, found: str) -> None:
    assert shown(capsys, "show", name).startswith(f"{found} (")


def test_every_entry_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, entries in json.loads(shown(capsys, "list", "-o", "json")).items():
        for entry in entries:
            text = shown(capsys, "show", kind, entry["name"])
            assert text.startswith(f"{entry['name']} ({kind})\n")
            assert "\nSources\n  " in text
            assert max(len(line) for line in text.split("\nSources\n")[0].splitlines()) < 240


def test_an_unknown_name_is_answered_with_near_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "show", "nvidia-h200-140gb").startswith(
        "inferfleet catalog: the catalog has no nvidia-h200-140gb; did you mean nvidia-h200-141gb or "
    )
    assert "the catalog has no vllm" in refused(capsys, "show", "hardware", "vllm")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("h100", "nvidia-h100-80gb?"),
        ("nvidia-h100", "nvidia-h100-80gb?"),
        ("A100", "nvidia-a100-40gb or nvidia-a100-80gb?"),
        ("llama3.1", "llama-3.1-8b or llama-3.1-70b"),
        ("q4km", "Q4_K_M?"),
        ("llama-3.1-9b", "llama-3.1-8b or "),
    ],
)
def test_an_abbreviation_is_answered_with_names_that_hold_it_and_a_slip_with_alike_ones(
    given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"the catalog has no {given}; did you mean {meant}" in refused(capsys, "show", given)


@pytest.mark.parametrize("kind", ["model", "models", "Model"])
def test_a_kind_is_understood_in_the_singular(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "show", kind, "llama-3.1-8b").startswith("llama-3.1-8b (models)")
    assert shown(capsys, "list", kind) == shown(capsys, "list", "models")


@pytest.mark.parametrize("words", [["gpu", "nvidia-l4"], ["models", "llama", "8b"]], ids=" ".join)
def test_too_many_words_are_a_mistake_of_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalog", "show", *words]) == 2
    assert "show takes NAME, or KIND and NAME" in capsys.readouterr().err


def test_lengths_are_shown_also_where_there_is_no_output(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row.split()[0]: row for row in shown(capsys, "list", "workloads").splitlines()}
    assert "  384 / -  " in rows["embeddings"]
    assert "  1020 / 129  " in rows["realtime-chat"]


def test_no_number_has_an_exponent(capsys: pytest.CaptureFixture[str]) -> None:
    texts = [shown(capsys, "list")]
    for kind in ("hardware", "models"):
        names = [entry["name"] for entry in json.loads(shown(capsys, "list", kind, "-o", "json"))]
        texts += [shown(capsys, "show", kind, name).split("\nSources")[0] for name in names]
    assert not [line for text in texts for line in text.splitlines() if re.search(r"\d(\.\d+)?e[+-]?\d", line)]


def test_a_name_of_two_kinds_wants_the_kind(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = {"mine": {"text": "here", "asOf": "2026-11-20", "mark": "Declared"}}
    entry = {"name": "vllm", "kind": "GPU", "memoryBandwidth": 1e12, "sources": source}
    (tmp_path / "hardware.yaml").write_text(yaml.safe_dump([entry]))
    assert "vllm is in hardware and engines: name the kind, too" in refused(
        capsys, "show", "vllm", "--catalog", str(tmp_path)
    )
    assert shown(capsys, "show", "engines", "vllm", "--catalog", str(tmp_path)).startswith("vllm (engines)")


def test_wrong_overrides_are_refused_in_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "hardware.yaml").write_text("- {name: nvidia-l4, memory: 0}")
    assert "hardware.yaml: entry nvidia-l4: memory: Input should be greater than 0" in refused(
        capsys, "list", "--catalog", str(tmp_path)
    )
