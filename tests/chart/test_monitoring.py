"""Alerts and dashboards: valid, and of no series but those that the operator and the model pods really have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from chart.helm import MONITORING, OPERATOR, Obj, named, one, render
from chart.toggles import TOGGLES
from prometheus_client import CollectorRegistry

from e2e.charts import CHARTS
from inferfleet import metrics, names
from inferfleet_runtime.contract import PORT
from inferfleet_runtime.front.metrics import Metrics

FILES = CHARTS / OPERATOR / "files"
DASHBOARDS = sorted((FILES / "dashboards").glob("*.json"))
ALERTS = [rule for group in yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
GIVEN = {"namespace", "pod", "job", "instance", "le"}
"""Labels that Prometheus and histograms bring."""


def series() -> dict[str, set[str]]:
    """Every series that is exposed, with its labels."""
    control, pod = CollectorRegistry(), CollectorRegistry()
    metrics.Metrics(control)
    Metrics(pod, "demo", 4096)
    relabelled = {r["targetLabel"] for r in endpoint()["relabelings"]}
    found: dict[str, set[str]] = {}
    for registry, extra in ((control, set[str]()), (pod, relabelled)):
        for collector in list(registry._collector_to_names):
            labels = set(getattr(collector, "_labelnames", ())) | extra
            for family in collector.collect():
                found |= {f"{family.name}{suffix}": labels for suffix in SUFFIXES[family.type]}
    return found


def endpoint() -> Obj:
    """Where and how model pods are scraped."""
    (found,) = one(render(apis=[MONITORING]), "PodMonitor")["spec"]["podMetricsEndpoints"]
    return dict(found)


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every alert and panel, with Grafana's variables filled in."""
    for rule in ALERTS:
        yield rule["alert"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                text = target["expr"].replace("$__rate_interval", "5m")
                yield f"{path.stem}: {panel['title']}", re.sub(r"\$\w+", "x", text)


@pytest.mark.parametrize(("where", "text"), list(expressions()), ids=lambda v: v[:50])
def test_an_expression_is_promql_of_series_and_labels_that_exist(where: str, text: str) -> None:
    known = series()
    promql_parser.parse(text)
    used = set(re.findall(r"\b((?:inferfleet|vllm)[:_]\w+)", text))
    assert used, f"{where} uses no series"
    assert used <= set(known), f"{where}: no such series: {used - set(known)}"
    labels = set().union(*(known[name] for name in used)) | GIVEN
    for group in re.findall(r"by \(([^)]*)\)", text):
        assert {label.strip() for label in group.split(",")} <= labels, where
    assert set(re.findall(r"[{,](\w+)[=!]", text)) <= labels, where


@pytest.mark.parametrize("rule", ALERTS, ids=lambda r: r["alert"])
def test_an_alert_says_how_bad_it_is_what_happened_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch(r"Inferfleet[A-Z]\w+", rule["alert"])
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}
    kept = set(re.findall(r"by \(([^)]*)\)", rule["expr"])[0:1])
    labels = {label.strip() for group in kept for label in group.split(",")}
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert used <= labels, "a label that the expression drops would be empty"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_a_dashboard_arrives_whole_and_its_panels_do_not_overlap(path: Any) -> None:
    config = one(render(), "ConfigMap", f"inferfleet-dashboard-{path.stem}")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    (text,) = config["data"].values()
    dashboard = json.loads(text)
    assert dashboard == json.loads(path.read_text())
    assert dashboard["uid"] == f"inferfleet-{path.stem}"
    cells = [cell for panel in dashboard["panels"] for cell in _cells(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    variables = {f"${v['name']}" for v in dashboard["templating"]["list"]}
    used = {name for panel in dashboard["panels"] for t in panel["targets"] for name in _variables(t["expr"])}
    assert used <= variables


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]


def _variables(expression: str) -> set[str]:
    return set(re.findall(r"\$(?!__)\w+", expression))


def test_the_pod_monitor_finds_model_pods_and_names_them_by_their_labels() -> None:
    monitor = one(render(apis=[MONITORING]), "PodMonitor")["spec"]
    assert monitor["selector"]["matchLabels"] == {names.LABEL_MANAGED: "true"}
    assert endpoint()["port"] == "http"  # the name of contract.PORT in a model pod
    assert PORT == 8000
    read = {r["sourceLabels"][0] for r in endpoint()["relabelings"]}
    wanted = (names.LABEL_MODEL, names.LABEL_CLASS, names.LABEL_POOL, names.LABEL_VARIANT, names.LABEL_ENGINE)
    assert read == {"__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", label) for label in wanted}


def test_series_of_the_operator_keep_the_namespace_of_their_model() -> None:
    (found,) = one(render(apis=[MONITORING]), "ServiceMonitor")["spec"]["endpoints"]
    assert found["honorLabels"] is True


def test_in_namespaced_mode_only_those_namespaces_are_scraped() -> None:
    assert one(render(apis=[MONITORING]), "PodMonitor")["spec"]["namespaceSelector"] == {"any": True}
    spec = one(render(TOGGLES["watchNamespaces"], apis=[MONITORING]), "PodMonitor")["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["team-a", "team-b"]}


def test_an_alert_can_be_left_out() -> None:
    def alerts(values: dict[str, Any]) -> set[str]:
        groups = one(render(values, apis=[MONITORING]), "PrometheusRule")["spec"]["groups"]
        return {rule["alert"] for group in groups for rule in group["rules"]}

    assert alerts({}) == {rule["alert"] for rule in ALERTS}
    assert alerts({}) - alerts(TOGGLES["monitoring.alerts.exclude"]) == {"InferfleetNoLeader"}
    assert "PrometheusRule" not in {o["kind"] for o in render(TOGGLES["monitoring.alerts.enabled"])}
    assert named(render(TOGGLES["monitoring.dashboards.enabled"]), "ConfigMap") == []
