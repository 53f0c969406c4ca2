"""`inferfleet cost` as a user runs it: on saved JSON and against a Prometheus."""

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.prometheus import FakePrometheus, series, serving

from inferfleet.__main__ import main
from inferfleet.kube.kinds import Obj

NOW = "2026-03-31T14:25:07Z"
COST = {
    "class": "chat",
    "pool": "h100",
    "accelerators": "4",
    "pricePerAcceleratorHour": "2.5",
    "costPerHour": "10",
    "costPerMonth": "7300",
    "tokensPerSecond": 2000,
    "utilizationPercent": 75,
}
CHAT = {"namespace": "team", "model": "demo", "workload_class": "chat", "pool": "h100"}
LAB = {"namespace": "lab", "model": "demo", "workload_class": "chat", "pool": "l4"}
RATES = {
    "inferfleet_cost_usd_total": {series(**CHAT): 10 / 3600, series(**LAB): 1 / 3600},
    "inferfleet_idle_cost_usd_total": {series(**CHAT): 2.5 / 3600, series(**LAB): math.nan},
    "inferfleet_energy_joules_total": {series(**CHAT): 2400.0},
    "inferfleet_accelerator_seconds_total": {series(**CHAT): 4.0, series(**LAB): 1.0},
    "inferfleet_used_accelerator_seconds_total": {series(**CHAT): 3.0},
    "inferfleet_tokens_total": {
        series(**CHAT, direction="output"): 2000.0,
        series(**CHAT, direction="input"): 9000.0,
    },
    "inferfleet_tenant_cost_usd_total": {
        series(namespace="team", model="demo", workload_class="chat", tenant="acme"): 6 / 3600
    },
}
"""Growth a second."""


def saved(folder: Path, *objects: Obj) -> str:
    """A file as kubectl writes it."""
    file = folder / "models.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": objects}))
    return str(file)


def model(namespace: str = "team", **cost: object) -> Obj:
    status = {"costs": [{**COST, **cost}]}
    return {"kind": "Model", "metadata": {"name": "demo", "namespace": namespace}, "spec": {}, "status": status}


@pytest.fixture
def prometheus() -> Iterator[tuple[FakePrometheus, str]]:
    """One that has scraped the operator for ever, and its URL."""
    fake = FakePrometheus(RATES)
    with serving(fake) as url:
        yield fake, url


# --- saved statuses ------------------------------------------------------------------------


def test_saved_models_make_a_table_with_totals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = saved(tmp_path, model(), model("lab", costPerMonth="730"), {"kind": "Pod", "metadata": {"name": "x"}})
    assert main(["cost", "-f", file]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line] == [
        "MODEL", "lab/demo", "team/demo", "NAMESPACE", "lab", "team", "total",
    ]  # fmt: skip
    assert main(["cost", "-f", file, "-n", "lab"]) == 0
    assert "team" not in capsys.readouterr().out


def test_json_has_numbers_and_null_for_what_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "-f", saved(tmp_path, model()), "-o", "json", "--by", "model"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["usdPerMonth"] == 7300
    assert found["rows"][0]["watts"] is None
    assert found["totals"]["team/demo"] == found["total"]
    assert found["period"] == {"start": None, "end": None}


def test_a_file_in_focus_format_says_who_bills_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [
        "cost",
        "-f",
        saved(tmp_path, model()),
        "-o",
        "focus",
        "--now",
        NOW,
        "--provider",
        "us",
        "--account",
        "eu-1",
    ]
    assert main(argv) == 0
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (line["ProviderName"], line["BillingAccountId"], line["BilledCost"]) == ("us", "eu-1", "10")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1", "not JSON"),
        ("[1]", "no list of Kubernetes objects"),
        ('{"items": [{"kind": "Model"}]}', "no list of Kubernetes objects"),
        ('{"items": []}', "there is no Model in it"),
        ('{"kind": "Model", "metadata": {"name": "a"}, "spec": null}', "no list of Kubernetes objects"),
    ],
)
def test_a_file_that_is_something_else_is_told_with_what_to_save(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").write_text(text)
    assert main(["cost", "-f", str(tmp_path / "x")]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "kubectl get models -A -o json" in err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "-f", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--since", "7d"], "--since goes with --prometheus"),
        (["--by", "tenant"], "--by tenant goes with --prometheus"),
        (["--prometheus-token-file", "x"], "--prometheus-token-file goes with --prometheus"),
        (["--prometheus", "localhost:9090"], "is no URL such as http://localhost:9090"),
        (["--prometheus", "file:///etc/passwd"], "is no URL such as http://localhost:9090"),
        (["--prometheus", "http://localhost", "--since", "month"], "is no duration such as 12h, 7d or 30d"),
        (["--prometheus", "http://localhost", "--prometheus-token-file", "/nowhere"], "/nowhere: cannot be read"),
        (["-n", 'x"} or vector(1)'], "is no name of a namespace"),
        (["--now", "noon"], "is no time such as"),
    ],
)
def test_a_wrong_flag_is_told(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", *argv]) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert said in out.err


def test_a_cluster_that_cannot_be_reached_is_told_with_another_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/kubeconfig")
    assert main(["cost"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: the cluster cannot be read: ")
    assert err.endswith("; -f reads what kubectl saved\n")


# --- Prometheus ----------------------------------------------------------------------------


def test_what_was_booked_is_added_up(
    prometheus: tuple[FakePrometheus, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "--prometheus", prometheus[1], "--since", "2d", "--now", NOW, "-o", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    lab, team = found["rows"]
    assert (team["usd"], team["usdPerMonth"], team["idleUsdPerMonth"]) == (480, 7300, 1825)
    assert team["usdPer1MTokens"] == pytest.approx(10 / 7.2, rel=1e-5)
    assert team["joulesPerToken"] == 1.2
    assert (lab["usd"], lab["watts"], lab["idleUsdPerMonth"]) == (48, None, 0), "NaN is no number"
    assert found["period"] == {"start": "2026-03-29T14:25:07+00:00", "end": "2026-03-31T14:25:07+00:00"}
    assert found["notes"] == []


def test_one_namespace_is_all_that_is_asked_for(
    prometheus: tuple[FakePrometheus, str], capsys: pytest.CaptureFixture[str]
) -> None:
    fake, url = prometheus
    assert main(["cost", "--prometheus", url, "-n", "lab", "--now", NOW]) == 0
    assert "team" not in capsys.readouterr().out
    assert all('{namespace="lab"}' in q for q in fake.questions if "leader" not in q)


def test_tenants_are_added_up(prometheus: tuple[FakePrometheus, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "--prometheus", prometheus[1], "--by", "tenant", "--since", "1d", "--now", NOW]) == 0
    assert "acme" in capsys.readouterr().out


def test_a_bill_has_a_line_for_each_day_and_one_for_today(
    prometheus: tuple[FakePrometheus, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tagged = model() | {"spec": {"podMetadata": {"labels": {"team": "search"}}}}
    argv = ["cost", "--prometheus", prometheus[1], "--since", "2d", "--now", NOW, "-o", "focus"]
    assert main([*argv, "-f", saved(tmp_path, tagged)]) == 0
    found = [line for line in csv.DictReader(io.StringIO(capsys.readouterr().out)) if line["SubAccountId"] == "team"]
    assert [(line["ChargePeriodStart"], line["ChargePeriodEnd"]) for line in found] == [
        ("2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"),
        ("2026-03-30T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("2026-03-31T00:00:00Z", "2026-03-31T14:25:07Z"),
    ]
    assert [round(float(line["BilledCost"]), 3) for line in found] == [240, 240, round(10 * 51907 / 3600, 3)]
    assert json.loads(found[0]["Tags"])["team"] == "search"


def test_a_prometheus_that_never_saw_an_operator_is_no_fleet_that_costs_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with serving(FakePrometheus(RATES, seen=0)) as url:
        assert main(["cost", "--prometheus", url]) == 2
    assert "has no inferfleet_leader in that time: does it scrape the operator's port 9090" in capsys.readouterr().err


def test_a_short_history_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(FakePrometheus(RATES, seen=86_400)) as url:
        assert main(["cost", "--prometheus", url, "--since", "30d"]) == 0
    out = capsys.readouterr().out
    assert "note: Prometheus has 1.0 of the 30.0 days" in out
    assert "7300.00" in out


def test_a_token_is_sent_and_its_lack_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    with serving(FakePrometheus(RATES, token="s3cret")) as url:
        assert main(["cost", "--prometheus", url, "--prometheus-token-file", str(tmp_path / "token")]) == 0
        assert main(["cost", "--prometheus", url]) == 2
    assert "refused the question: 401 no token, or a wrong one" in capsys.readouterr().err


def test_a_server_that_is_not_there_or_is_none_is_told(
    prometheus: tuple[FakePrometheus, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "--prometheus", f"{prometheus[1]}/wrong"]) == 2
    assert "refused the question: 404" in capsys.readouterr().err
    assert main(["cost", "--prometheus", "http://127.0.0.1:9"]) == 2
    assert "http://127.0.0.1:9 does not answer: " in capsys.readouterr().err
