"""Overriding and extending the catalog with a folder of files, and what is said of wrong ones."""

from pathlib import Path

import pytest
import yaml

from inferfleet.catalog import loader
from inferfleet.catalog.loader import CatalogError

MINE = '{mine: {text: our invoice, asOf: "2026-11-01", mark: Declared}}'


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path / f"{name}.yaml").write_text(text)
    return path


def refusal(path: Path, **files: str) -> str:
    with pytest.raises(CatalogError) as raised:
        loader.load(folder(path, **files))
    return str(raised.value).replace(f"{path}/", "")


def test_a_field_of_a_known_entry_is_overridden_and_the_rest_stays(tmp_path: Path) -> None:
    text = f"- {{name: nvidia-l4, onDemandPrice: 0.41, operations: {{INT8: 200.0e12}}, sources: {MINE}}}"
    entry = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"]
    bundled = loader.load().accelerators["nvidia-l4"]
    assert entry.on_demand_price == 0.41
    assert entry.operations == {**bundled.operations, "INT8": 200.0e12}
    assert entry.memory_bandwidth == bundled.memory_bandwidth
    assert entry.node_match == bundled.node_match


def test_an_overridden_number_is_shown_with_the_source_of_the_override(tmp_path: Path) -> None:
    text = f"- {{name: nvidia-l4, operations: {{FP16: 100.0e12}}, sources: {MINE}}}"
    entry = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"]
    mine, theirs = entry.source_of("operations.FP16"), entry.source_of("operations.BF16")
    assert mine
    assert theirs
    assert mine.text == "our invoice"
    assert theirs.text != "our invoice"


def test_a_source_with_the_name_of_a_bundled_one_replaces_it_only_for_what_is_set(tmp_path: Path) -> None:
    same = '{specification: {text: measured here, asOf: "2026-11-01", mark: Measured}}'
    text = f"- {{name: nvidia-l4, memoryBandwidth: 280.0e9, sources: {same}}}"
    entry = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"]
    bandwidth, power = entry.source_of("memoryBandwidth"), entry.source_of("tdpWatts")
    assert bandwidth
    assert power
    assert bandwidth.mark == "Measured"
    assert power == loader.load().accelerators["nvidia-l4"].source_of("tdpWatts")


def test_lists_are_replaced_as_a_whole(tmp_path: Path) -> None:
    text = f"- {{name: nvidia-l4, engines: [vllm], counts: [1, 2], sources: {MINE}}}"
    entry = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"]
    assert entry.engines == ("vllm",)
    assert entry.counts == (1, 2)


def test_words_need_no_source(tmp_path: Path) -> None:
    text = "- {name: nvidia-l4, defaultSelector: {pool: small}}"
    entry = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"]
    assert entry.default_selector == {**loader.load().accelerators["nvidia-l4"].default_selector, "pool": "small"}


def test_a_date_needs_no_quotes(tmp_path: Path) -> None:
    text = "- {name: nvidia-l4, tdpWatts: 70, sources: {mine: {text: meter, asOf: 2026-11-01, mark: Measured}}}"
    source = loader.load(folder(tmp_path, hardware=text)).accelerators["nvidia-l4"].source_of("tdpWatts")
    assert source
    assert source.as_of == "2026-11-01"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "hardware.yaml").write_bytes(b"\xff\xfe\x00")
    assert "hardware.yaml: cannot be read: " in refusal(tmp_path)


def test_new_entries_of_every_kind_extend_the_catalog(tmp_path: Path) -> None:
    found = loader.load(
        folder(
            tmp_path,
            hardware=f"- {{name: own-card, kind: GPU, memoryBandwidth: 1.0e12, engines: [own], sources: {MINE}}}",
            engines="- {name: own, title: Own, tier: Second, "
            f"api: {{basePath: /v1, port: 9, health: /}}, metrics: {{path: /metrics}}, sources: {MINE}}}",
            quantizations=f"- {{name: Q9, bytesPerWeight: 1.2, layout: own, sources: {MINE}}}",
            models="- {name: own-8b, layers: 2, hidden: 64, feedForward: 128, heads: 2, kvHeads: 2, headDim: 32, "
            f"vocabulary: 100, sources: {MINE}}}",
            workloads="- {name: own-class, title: Own, spec: {traffic: {inputTokens: {p50: 1, p95: 2}, "
            f"outputTokens: {{p50: 1, p95: 2}}}}}}, sources: {MINE}}}",
        )
    )
    names = {kind: next(reversed(entries)) for kind, entries in found.kinds.items()}
    assert names == {
        "hardware": "own-card",
        "engines": "own",
        "quantizations": "Q9",
        "models": "own-8b",
        "workloads": "own-class",
    }


def test_an_empty_folder_and_empty_files_change_nothing(tmp_path: Path) -> None:
    assert loader.load(folder(tmp_path, hardware="", models="[]")) == loader.load()


def test_the_catalog_is_read_once_for_each_folder(tmp_path: Path) -> None:
    assert loader.load(tmp_path) is loader.load(tmp_path)
    assert loader.load() is loader.load()


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (
            "hardware",
            f"- {{name: nvidia-l4, memoryBandwith: 1.0e9, sources: {MINE}}}",
            "hardware.yaml: entry nvidia-l4: memoryBandwith: there is no such field; did you mean memoryBandwidth?",
        ),
        (
            "hardware",
            "- {name: nvidia-l4, onDemandPrice: 0.41}",
            "hardware.yaml: entry nvidia-l4: onDemandPrice: is overridden, but its source is not; add one under "
            'sources, such as mine: {for: [onDemandPrice], text: ..., asOf: "2026-11-20", mark: Declared}',
        ),
        (
            "hardware",
            "- {name: own, kind: GPU, memoryBandwidth: 1.0e9}",
            "hardware.yaml: entry own: memoryBandwidth: has no source; add one under sources, such as "
            'mine: {for: [memoryBandwidth], text: ..., asOf: "2026-11-20", mark: Declared}',
        ),
        (
            "hardware",
            f"- {{name: own, kind: FPGA, sources: {MINE}}}",
            "hardware.yaml: entry own: kind: Input should be 'CPU', 'GPU', 'NPU', 'TPU', 'LPU' or 'WSE'\n"
            "hardware.yaml: entry own: memoryBandwidth: must be given",
        ),
        (
            "hardware",
            f"- {{name: nvidia-l4, tdpWatts: unknown, sources: {MINE}}}",
            "hardware.yaml: entry nvidia-l4: tdpWatts: must be a number above 0, or one of NotPublished, NotFound, "
            "NotVerified, NotApplicable",
        ),
        (
            "hardware",
            f"- {{name: nvidia-l4, operations: {{BF16: -1}}, sources: {MINE}}}",
            "hardware.yaml: entry nvidia-l4: operations.BF16: must be a number above 0, or one of NotPublished, "
            "NotFound, NotVerified, NotApplicable",
        ),
        (
            "hardware",
            "- {name: nvidia-l4, onDemandPrice: 0.4, sources: {mine: {text: x, asOf: yesterday, mark: Declared}}}",
            "hardware.yaml: entry nvidia-l4: sources.mine.asOf: must be a date such as 2026-07-20",
        ),
        (
            "hardware",
            "- {name: nvidia-l4, onDemandPrice: 0.4, sources: {mine: {for: [price], text: x, asOf: '2026-11-20', "
            "mark: Declared}}}",
            "hardware.yaml: entry nvidia-l4: sources.mine.for: the entry does not have price",
        ),
        (
            "hardware",
            "- {name: nvidia-l4, engines: [vlm]}",
            "hardware.yaml: entry nvidia-l4: engines: the catalog has no vlm; did you mean vllm or ",
        ),
        (
            "engines",
            "- {name: vllm, platforms: [{name: CUDA, kind: GPU, quantizations: {sm90: {FP9: Documented}}}]}",
            "engines.yaml: entry vllm: platforms: the catalog has no FP9; did you mean FP8",
        ),
        (
            "quantizations",
            f"- {{name: Q4_0, bytesPerWeight: 0.5, sources: {MINE}}}",
            "quantizations.yaml: entry Q4_0: as a whole: bytesPerWeight is 0.5, but block makes it 0.5625",
        ),
        (
            "hardware",
            f"- {{name: nvidia-l4, memory: .inf, sources: {MINE}}}",
            "hardware.yaml: entry nvidia-l4: memory: Input should be a finite number",
        ),
        ("models", "- {layers: 3}", "models.yaml: entry 1 has no name"),
        ("models", "- {name: a}\n- {name: a}", "models.yaml: entry a is there twice; keep one"),
        ("models", "name: a", "models.yaml: must be a list of entries, each with a name"),
        ("models", "- {name: a", "models.yaml: not YAML: "),
        (
            "hardwares",
            "[]",
            "hardwares.yaml is no file of the catalog; name it one of hardware.yaml, engines.yaml, ",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_file_entry_and_field(tmp_path: Path, kind: str, text: str, message: str) -> None:
    assert message in refusal(tmp_path, **{kind: text})


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"is not a folder with hardware\.yaml"):
        loader.load(tmp_path / "absent")


def test_the_example_of_the_documentation_is_accepted(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
    example = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])["catalog"]
    files = {kind: yaml.safe_dump(entries) for kind, entries in example.items()}
    found = loader.load(folder(tmp_path, **files)).accelerators
    assert found["nvidia-l4"].on_demand_price == 0.41
    assert found["cpu-arm-graviton4"].operations["Q8_0"] == 60.0e9
    assert found["our-card"].resource_name == "example.com/card"
