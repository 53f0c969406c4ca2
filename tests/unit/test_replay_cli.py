"""`inferfleet replay`: from files and a trace to attainment, replicas and cost, in every form."""

import xml.etree.ElementTree as ET
from pathlib import Path

import make
import pytest
from offline_worlds import Fleet, fleet, small

__all__ = ["fleet"]


def _trace(folder: Path, rate: float = 2.0, seconds: float = 300.0, name: str = "trace.csv") -> str:
    count = int(rate * seconds)
    rows = "".join(f"{i / rate},40,30\n" for i in range(count))
    (folder / name).write_text("time,input,output\n" + rows, "utf-8")
    return name


def _fleet(fleet: Fleet, **changes: object) -> str:
    return fleet.write("fleet.yaml", *small(**changes))


def test_text_tells_attainment_replicas_cost_timeline_and_the_worst_moment(fleet: Fleet) -> None:
    said = fleet.run("replay", _trace(fleet.folder), "-f", _fleet(fleet))
    assert said.status == 0, said.err
    for words in (
        "attainment",
        "replica-hours",
        "USD",
        "requests/s",
        "wanted",
        "ready",
        "Worst five minutes",
        "Assumed",
    ):
        assert words in said.out
    assert "600 requests in 00:05:00" in said.out or "600 requests in 00:04:59" in said.out


def test_json_has_all_figures_and_adds_up(fleet: Fleet) -> None:
    said = fleet.run("replay", _trace(fleet.folder), "-f", _fleet(fleet), "-o", "json").json
    assert said["requests"] == 600 == sum(said["outcomes"].values())
    assert said["outputTokens"] == 600 * 30
    assert sum(said["replicaHours"].values()) == pytest.approx(said["meanReplicas"] * said["seconds"] / 3600, rel=0.02)
    assert len(said["timeline"]) == 288
    assert sum(t["requestsPerSecond"] for t in said["timeline"]) / 288 == pytest.approx(2.0, rel=0.02)
    assert said["decisions"][0]["message"]


def test_equal_arguments_give_equal_output_to_the_last_byte(fleet: Fleet) -> None:
    argv = ("replay", _trace(fleet.folder), "-f", _fleet(fleet), "-o", "json", "--seed", "3")
    assert fleet.run(*argv).out == fleet.run(*argv).out


def test_the_picture_is_one_svg_with_its_three_panels(fleet: Fleet) -> None:
    said = fleet.run("replay", _trace(fleet.folder), "-f", _fleet(fleet), "-o", "svg")
    root = ET.fromstring(said.out)
    texts = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"requests/s", "replicas", "attainment", "wanted", "100%"} <= set(texts)
    assert "http" not in said.out.replace("http://www.w3.org/2000/svg", "")


def test_a_static_fleet_is_not_scaled(fleet: Fleet) -> None:
    said = fleet.run("replay", _trace(fleet.folder), "-f", _fleet(fleet), "--replicas", "3", "-o", "json").json
    assert (said["replicas"], said["changes"], said["decisions"]) == (3, 0, [])
    assert said["meanReplicas"] == 3


def test_more_load_than_a_replica_does_is_followed_and_missed_targets_are_the_exit_status(fleet: Fleet) -> None:
    trace = _trace(fleet.folder, rate=10.0)
    calm = fleet.run("replay", trace, "-f", _fleet(fleet, replicas={"min": 1, "max": 1}), "-o", "json")
    flood = fleet.run("replay", trace, "-f", "fleet.yaml", "--speed", "30", "-o", "json")
    assert (calm.status, flood.status) == (0, 3)
    assert flood.json["attainment"] < 0.95 < calm.json["attainment"]
    assert flood.json["requests"] == calm.json["requests"]


def test_replicas_come_later_where_they_boot_longer(fleet: Fleet) -> None:
    trace = _trace(fleet.folder, rate=40.0)
    files = _fleet(fleet, replicas={"min": 1, "max": 8})
    soon, late = (
        fleet.run("replay", trace, "-f", files, "--boot", boot, "-o", "json").json["meanReplicas"]
        for boot in ("5s", "4m")
    )
    assert soon > late


@pytest.mark.parametrize("router", ["least", "tokens", "two", "turn", "random", "prefix"])
def test_a_router_can_be_chosen_and_is_told(fleet: Fleet, router: str) -> None:
    argv = ("replay", _trace(fleet.folder, seconds=30.0), "-f", _fleet(fleet), "--replicas", "3", "--router", router)
    said = fleet.run(*argv, "-o", "json").json
    assert said["outcomes"]["done"] == 60
    assert any(line.startswith("requests go") for line in said["assumptions"])


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (("absent.csv",), 2, "absent.csv: cannot be read: No such file"),
        (("trace.csv", "--from", "10m", "--until", "5m"), 2, "--until 5m is not after --from 10m"),
        (("trace.csv", "--from", "noon"), 2, "--from: 'noon' is neither seconds nor a duration such as 30m or 8h"),
        (("trace.csv", "--speed", "0"), 2, "--speed: 0.0 is not a number above 0"),
        (("trace.csv", "--rate", "nan"), 2, "--rate: nan is not a number above 0"),
        (("trace.csv", "--replicas", "-1"), 2, "--replicas: give 0 or more"),
        (("trace.csv", "--class", "nobody"), 2, "no workload is so named"),
        (("trace.csv", "--from", "2h"), 1, "no requests between --from and --until"),
        (("bad.csv",), 1, "bad.csv:2: input tokens are 'x', which is no number"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_one_sentence(
    fleet: Fleet, argv: tuple[str, ...], status: int, said: str
) -> None:
    _trace(fleet.folder)
    (fleet.folder / "bad.csv").write_text("time,input,output\n1,x,1\n")
    found = fleet.run("replay", *argv, "-f", _fleet(fleet))
    assert (found.status, found.out) == (status, "")
    assert said in found.err
    assert "Traceback" not in found.err


def test_of_several_workloads_one_has_to_be_named(fleet: Fleet) -> None:
    trace = _trace(fleet.folder, seconds=60.0)
    class_, pool, model = small()
    other = make.model("other", workloads=make.workloads())
    files = fleet.write("two.yaml", class_, pool, model, other)
    found = fleet.run("replay", trace, "-f", files)
    assert found.status == 2
    assert "several workloads fit; give --model and --class; there are" in found.err
    assert fleet.run("replay", trace, "-f", files, "--model", "other").status in (0, 3)
