"""The git server of the stories, used by git itself, and the documented layout that it serves."""

import os
import re
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from e2e.cluster.shell import ClusterError
from e2e.gitops import git, layout
from e2e.gitops.layout import LAYOUT
from inferfleet.names import Reason

Obj = dict[str, Any]
PRODUCTION = LAYOUT / "platform/clusters/production"


@pytest.fixture
def repository(tmp_path: Path) -> git.Repository:
    folder = tmp_path / "served" / "team"
    folder.mkdir(parents=True)
    (folder / "demo.yaml").write_text("a: 1\n")
    made = git.create(folder)
    made.commit("One")
    return made


def clone(url: str, into: Path) -> str:
    """The file's content in a fresh clone."""
    env = {**os.environ, **git.SETTINGS}
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, str(into)], env=env, check=True)
    return (into / "demo.yaml").read_text()


def test_git_clones_the_last_commit_over_http(repository: git.Repository, tmp_path: Path) -> None:
    with git.serve(repository.folder.parent, "127.0.0.1") as base:
        assert clone(f"{base}/team", tmp_path / "one") == "a: 1\n"
        (repository.folder / "demo.yaml").write_text("a: 2\n")
        revision = repository.commit("Two")
        assert clone(f"{base}/team", tmp_path / "two") == "a: 2\n"
    head = tmp_path / "two/.git/refs/heads/main"
    assert head.read_text().strip() == revision


def status_of(repository: git.Repository, method: str, path: str, headers: dict[str, str] | None = None) -> int:
    """What the server answers to one request without a body."""
    with git.serve(repository.folder.parent, "127.0.0.1") as base:
        connection = HTTPConnection(urlsplit(base).netloc, timeout=60)
        with closing(connection):
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            response.read()
            return response.status


def test_a_push_of_a_stranger_is_refused(repository: git.Repository) -> None:
    assert status_of(repository, "GET", "/team/info/refs?service=git-upload-pack") == 200
    assert status_of(repository, "GET", "/team/info/refs?service=git-receive-pack") == 403


def test_what_is_no_repository_is_not_served(repository: git.Repository) -> None:
    (repository.folder.parent / "secret").write_text("x")
    assert status_of(repository, "GET", "/secret") == 404


def test_an_endless_request_is_refused_unread(repository: git.Repository) -> None:
    too_much = {"Content-Length": str(git.LARGEST_REQUEST + 1)}
    assert status_of(repository, "POST", "/team/git-upload-pack", too_much) == 413
    assert status_of(repository, "POST", "/team/git-upload-pack", {"Transfer-Encoding": "chunked"}) == 411


def test_a_commit_without_a_change_is_an_error(repository: git.Repository) -> None:
    with pytest.raises(ClusterError, match="nothing to commit"):
        repository.commit("Nothing")


def test_the_answer_of_a_program_is_taken_apart() -> None:
    output = b"Status: 404 Not Found\r\nContent-Type: text/plain\r\n\r\nno\r\n\r\nway"
    assert git.parse(output) == (404, [("Content-Type", "text/plain")], b"no\r\n\r\nway")
    assert git.parse(b"Expires: 0\r\n\r\n") == (200, [("Expires", "0")], b"")


def flux_objects() -> dict[tuple[str, str], Obj]:
    """Of a story in namespace `story-1`, by kind and name."""
    return {(o["kind"], o["metadata"]["name"]): o for o in layout.objects("http://10.0.0.1:80", "story-1")}


def test_a_story_uses_the_documented_objects_in_its_own_namespace() -> None:
    found = flux_objects()
    team = found["Kustomization", "assistants"]
    assert team["metadata"]["namespace"] == team["spec"]["targetNamespace"] == "story-1"
    assert team["spec"]["dependsOn"] == [{"name": "fleet", "namespace": "flux-system"}]
    assert found["Kustomization", "fleet"]["spec"]["dependsOn"] == []
    assert found["RoleBinding", "flux"]["subjects"][0]["namespace"] == "story-1"
    assert found["GitRepository", "assistants"]["spec"]["url"] == "http://10.0.0.1:80/assistants"
    assert ("Namespace", "assistants") not in found


def documented() -> list[Obj]:
    return [o for path in sorted(PRODUCTION.glob("*.yaml")) for o in yaml.safe_load_all(path.read_text())]


def test_every_path_and_every_resource_of_the_layout_is_there() -> None:
    paths = [(o["spec"]["path"], o["metadata"]["name"]) for o in documented() if o["kind"] == "Kustomization"]
    assert {name for _, name in paths} == {"inferfleet", "fleet", "assistants"}
    for path, name in paths:
        root = LAYOUT / ("assistants" if name == "assistants" else "platform") / path
        listed = yaml.safe_load((root / "kustomization.yaml").read_text())["resources"]
        assert sorted(listed) == sorted(p.name for p in root.glob("*.yaml") if p.name != "kustomization.yaml")


def test_the_order_of_the_layout_begins_with_the_operator_and_ends_with_models() -> None:
    needs = {
        o["metadata"]["name"]: o["spec"].get("dependsOn", []) for o in documented() if o["kind"] == "Kustomization"
    }
    names = {name: [n["name"] for n in found] for name, found in needs.items()}
    assert names == {"inferfleet": [], "fleet": ["inferfleet"], "assistants": ["fleet"]}


@pytest.mark.parametrize("file", ["platform/clusters/production/assistants.yaml", "argocd/health.yaml"])
def test_health_checks_name_only_reasons_that_there_are(file: str) -> None:
    """A reason is the only word in quotes or before an equals sign that is written LikeThis."""
    text = (LAYOUT / file).read_text()
    named = set(re.findall(r"\b([A-Z]\w+) = \"", text)) | set(
        re.findall(r"'([A-Z]\w+)'", "".join(re.findall(r"reason in \[.*?\]", text)))
    )
    known = {value for name, value in vars(Reason).items() if name.isupper()}
    assert named - {"True", "False"}
    assert named - {"True", "False"} <= known
