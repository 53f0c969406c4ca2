"""The operator under the account that the chart gives it: its rights are enough, and `inferfleet check` says so."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import make
import pytest
from apiserver.control_plane import ControlPlane
from chart.conftest import Said, Server, namespace
from chart.helm import render, variables
from ports import free_port

from e2e.charts import CHARTS, NAMESPACE

Must = Callable[[Said], None]
TEAM = "team-a"
WAIT_SECONDS = 60.0
NEVER_APPLIED = ("Pod", "Deployment")
"""There are no nodes: the operator runs beside the API server instead."""


@dataclass(frozen=True)
class Account:
    """The operator's ServiceAccount, outside of a pod."""

    kubeconfig: Path
    settings: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, **self.settings, "KUBECONFIG": str(self.kubeconfig)}


@pytest.fixture(params=[(), (TEAM,)], ids=["cluster", "namespaced"])
def account(
    request: pytest.FixtureRequest, server: Server, control_plane: ControlPlane, must: Must, tmp_path: Path
) -> Account:
    """With the rights and the settings that the chart renders, in either mode."""
    objects = render({"watchNamespaces": list(request.param)})
    rights = "clusterroles,clusterrolebindings,roles,rolebindings"
    must(server.kubectl("delete", rights, "--all-namespaces", "--selector=app.kubernetes.io/part-of=inferfleet"))
    must(server.apply([namespace(TEAM)]))
    must(server.apply([o for o in objects if o["kind"] not in NEVER_APPLIED], "--force-conflicts"))
    token = server.kubectl("create", "token", "inferfleet-operator", "--namespace", NAMESPACE)
    must(token)
    kubeconfig = control_plane.write_kubeconfig(tmp_path / "operator.kubeconfig", {"token": token.out.strip()})
    settings = variables(objects) | {"INFERFLEET_NAMESPACE": NAMESPACE, "INFERFLEET_IDENTITY": "me"}
    return Account(kubeconfig, settings)


@dataclass(frozen=True)
class Running:
    """Where an operator answers."""

    metrics: str
    health: str

    def text(self) -> str:
        """Its metrics now."""
        with urllib.request.urlopen(self.metrics, timeout=10) as response:
            return str(response.read().decode())


@contextmanager
def running(account: Account) -> Iterator[Running]:
    """Until the end of the block, then an orderly stop."""
    ports = [free_port(), free_port()]
    flags = [f"--metrics-port={ports[0]}", f"--health-port={ports[1]}"]
    process = subprocess.Popen([sys.executable, "-m", "inferfleet", "run", *flags], env=account.environ)
    try:
        yield Running(f"http://127.0.0.1:{ports[0]}/metrics", f"http://127.0.0.1:{ports[1]}/healthz")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(WAIT_SECONDS)
        finally:
            process.kill()
            process.wait()


def check(account: Account, *flags: str) -> Said:
    """`inferfleet check` as `helm test` calls it."""
    command = [sys.executable, "-m", "inferfleet", "check", f"--namespace={NAMESPACE}", *flags]
    watched = f"--watch-namespaces={account.settings.get('INFERFLEET_WATCH_NAMESPACES', '')}"
    done = subprocess.run([*command, watched], env=account.environ, capture_output=True, text=True, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


def eventually(found: Callable[[], str]) -> str:
    """What it returns once that is not empty."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if text := found():
            return text
        time.sleep(0.2)
    pytest.fail(f"still nothing after {WAIT_SECONDS} s")


def test_what_the_account_may_do_is_enough_to_serve_a_model(account: Account, server: Server, must: Must) -> None:
    node = make.node(**{"kubernetes.io/arch": "amd64"})
    must(server.apply([node]))
    must(server.apply([node], "--subresource=status"))
    with running(account) as operator:
        must(server.kubectl("apply", "--namespace", TEAM, f"--filename={CHARTS.parent}/examples/quickstart"))
        for children in ("deployments", "services", "configmaps", "poddisruptionbudgets", "networkpolicies"):
            assert eventually(lambda kind=children: _ours(server, kind))
        status = "jsonpath={.items[*].status.conditions[*].type}"
        for kind in ("models", "hardwarepools", "workloadclasses"):
            assert eventually(lambda k=kind: server.kubectl("get", k, "--all-namespaces", "-o", status).out)
        said = check(account, f"--metrics={operator.metrics}", f"--health={operator.health}")
        assert (said.code, said.words) == (0, "")
        assert re.findall(r"^ok +(\w+):", said.out, re.MULTILINE) == ["definitions", "health", "metrics", "leader"]
        refused = [line for line in operator.text().splitlines() if 'code="403"' in line]
        assert refused == []
    must(server.kubectl("delete", "models,deployments,services", "--all", "--namespace", TEAM))


def _ours(server: Server, kind: str) -> str:
    said = server.kubectl("get", kind, "--namespace", TEAM, "--selector=inferfleet.io/managed", "-o", "name")
    return said.out


def test_the_account_may_do_nothing_outside_the_namespaces_it_watches(account: Account, server: Server) -> None:
    only_there = "INFERFLEET_WATCH_NAMESPACES" in account.settings
    who = f"--as=system:serviceaccount:{NAMESPACE}:inferfleet-operator"
    answers = {
        where: server.kubectl("auth", "can-i", "create", "deployments", who, f"--namespace={where}").out.strip()
        for where in (TEAM, "default", NAMESPACE)
    }
    assert answers == {TEAM: "yes", "default": "no" if only_there else "yes", NAMESPACE: "no" if only_there else "yes"}
    assert server.kubectl("auth", "can-i", "get", "secrets", who, f"--namespace={TEAM}").out.strip() == "no"


def test_the_check_says_what_is_wrong_where_no_operator_runs(account: Account, server: Server, must: Must) -> None:
    must(server.kubectl("delete", "lease", "--all", "--namespace", NAMESPACE))
    nowhere = f"http://127.0.0.1:{free_port()}"
    said = check(account, f"--metrics={nowhere}/metrics", f"--health={nowhere}/healthz", "--seconds=1")
    assert said.code == 1
    assert "ok     definitions: " in said.out
    assert f"FAILED health: {nowhere}/healthz does not answer" in said.out
    assert f"nobody holds the Lease {NAMESPACE}/inferfleet-operator: look at the logs" in said.out


def test_the_check_says_which_permission_is_missing(account: Account, server: Server, must: Must) -> None:
    must(server.kubectl("delete", "clusterrolebinding", "inferfleet-operator"))
    said = check(account, "--seconds=0")
    assert said.code == 1
    assert "FAILED definitions: cannot list" in said.out
    assert "look at the chart's value rbac.create" in said.out
