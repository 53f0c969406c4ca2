"""Files of a small fleet, and what the commands that plan them say. Writes below a folder of the test."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import make
import pytest

from inferfleet.__main__ import main

Obj = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a run printed and returned."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


class Fleet:
    """Writes files into a folder of the test and runs commands there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def write(self, name: str, *objects: Obj | str) -> str:
        """The name, for the command line; JSON is YAML."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n---\n".join(o if isinstance(o, str) else json.dumps(o, indent=1) for o in objects))
        return name

    def run(self, *argv: str) -> Said:
        """A command."""
        try:
            status = main([*argv])
        except SystemExit as ended:
            status = int(str(ended.code))
        captured = self._capsys.readouterr()
        return Said(status, captured.out, captured.err)

    def plan(self, *objects: Obj | str, argv: tuple[str, ...] = ()) -> Said:
        """Of one file."""
        return self.run("plan", "-f", self.write("fleet.yaml", *objects), *argv)

    def planned(self, *objects: Obj | str, argv: tuple[str, ...] = ()) -> Any:
        """The same as JSON."""
        return self.plan(*objects, argv=("-o", "json", *argv)).json


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fleet:
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Fleet(tmp_path, capsys)


def small(**changes: Any) -> tuple[Obj, Obj, Obj]:
    """A class, a pool and a Model; `changes` are of the Model's one workload."""
    return make.workload_class(), make.pool(), make.model(workloads=make.workloads(**changes))


def bounded(nodes: int, name: str = "cpu", **changes: Any) -> Obj:
    """A pool of so many nodes, each of which holds one replica."""
    selector = {"pool": name}
    replica = {"cpu": 1, "memory": "1Gi"}
    return make.pool(name, nodes={"selector": selector, "replica": replica, "maxNodes": nodes}, **changes)


def workload(plan: Any, class_: str = "chat", model: str = "demo") -> Any:
    """Of a plan as JSON."""
    (found,) = [w for w in plan["workloads"] if (w["model"], w["class"]) == (model, class_)]
    return found
