"""The cluster client against a real API server: what the fake cannot show."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from apiserver.control_plane import ControlPlane
from fakes.objects import config_map, deployment

from inferfleet import errors
from inferfleet.kube.cluster import KubernetesCluster
from inferfleet.kube.connect import connect
from inferfleet.kube.election import Candidate, LeaderElector
from inferfleet.kube.kinds import CONFIG_MAP, LEASE, POD, Kind, Obj

PATIENCE_SECONDS = 90.0


async def test_an_unknown_field_is_rejected_in_the_servers_words(cluster: KubernetesCluster, namespace: str) -> None:
    obj = deployment(namespace)
    obj["spec"]["replicaz"] = 3
    with pytest.raises(errors.Rejected, match="replicaz"):
        await cluster.apply(obj, "m")
    with pytest.raises(errors.Rejected, match="replicaz"):
        await cluster.create(obj)


async def test_a_value_of_the_wrong_type_is_rejected(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected, match="replicas"):
        await cluster.apply(deployment(namespace, replicas="many"), "m")
    with pytest.raises(errors.Rejected, match="duplicate"):
        await cluster.apply(with_env_twice(deployment(namespace)), "m")


def with_env_twice(obj: Obj) -> Obj:
    """What a server-side apply cannot merge."""
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": v} for v in "12"]
    return obj


async def test_writing_into_a_namespace_that_is_not_there_is_not_found(cluster: KubernetesCluster) -> None:
    with pytest.raises(errors.NotFound):
        await cluster.apply(config_map("no-such-namespace"), "m")


async def test_a_kind_that_is_not_there_is_not_found(cluster: KubernetesCluster) -> None:
    gadgets = Kind("gadgets.io/v1", "Gadget", "gadgets", namespaced=True)
    with pytest.raises(errors.NotFound):
        await cluster.list(gadgets)
    with pytest.raises(errors.NotFound):
        async with aclosing(cluster.watch(gadgets, "1")) as events:
            await anext(events)
    assert await cluster.get(gadgets, "n", "x") is None


async def test_a_list_over_several_pages_is_complete(cluster: KubernetesCluster, namespace: str) -> None:
    names = [f"c{i}" for i in range(25)]
    await asyncio.gather(*(cluster.apply(config_map(namespace, name), "m") for name in names))
    listing = await cluster.list(CONFIG_MAP, namespace=namespace, limit=4)
    found = [item["metadata"]["name"] for item in listing.items]
    assert sorted(set(found) - {"kube-root-ca.crt"}) == sorted(names)
    assert len(found) == len(set(found))


async def test_a_watch_from_long_ago_is_gone(cluster: KubernetesCluster) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(cluster.watch(CONFIG_MAP, "1")) as events:
        with pytest.raises(errors.Gone):
            await anext(events)


async def test_a_certificate_and_a_token_both_let_us_in_and_a_wrong_token_does_not(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    wrong = control_plane.write_kubeconfig(tmp_path / "wrong", {"token": "wrong"})
    client = await connect(str(wrong))
    with pytest.raises(errors.Transient) as refusal:
        await client.list(POD)
    assert refusal.value.status == 401
    await client.close()
    right = control_plane.write_kubeconfig(tmp_path / "right", {"token": control_plane.token})
    client = await connect(str(right))
    await client.list(POD)
    await client.close()


async def test_a_rotated_token_is_picked_up(control_plane: ControlPlane, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("expired")
    client = await connect(str(control_plane.write_kubeconfig(tmp_path / "config", {"tokenFile": str(token)})))
    token.write_text(control_plane.token)
    await client.list(POD)
    await client.close()


async def test_a_server_that_we_do_not_trust_is_not_talked_to(control_plane: ControlPlane, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    stranger = ControlPlane(other, {})
    stranger._ports = control_plane._ports
    stranger._write_credentials()
    client = await connect(str(stranger.kubeconfig))
    with pytest.raises(errors.Transient, match=r"(?i)certificate"):
        await client.list(POD)
    await client.close()


async def test_a_kubeconfig_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.Transient, match="nowhere"):
        await connect(str(tmp_path / "nowhere"))
    broken = tmp_path / "broken"
    broken.write_text("clusters: []\n")
    with pytest.raises(errors.Transient, match="credentials"):
        await connect(str(broken))


async def test_every_call_is_counted_with_its_outcome(control_plane: ControlPlane) -> None:
    calls: list[tuple[str, str, int]] = []
    client = await connect(
        str(control_plane.kubeconfig), on_call=lambda verb, kind, status: calls.append((verb, kind.kind, status))
    )
    await client.get(CONFIG_MAP, "default", "absent")
    with pytest.raises(errors.NotFound):
        await client.apply(config_map("no-such-namespace"), "m")
    await client.close()
    assert calls == [("get", "ConfigMap", 404), ("apply", "ConfigMap", 404)]


async def test_two_electors_on_a_real_lease_lead_one_after_the_other(
    cluster: KubernetesCluster, namespace: str
) -> None:
    leading: list[str] = []

    def run(identity: str) -> asyncio.Future[None]:
        async def lead() -> None:
            leading.append(identity)
            await asyncio.Event().wait()

        elector = LeaderElector(cluster, Candidate(namespace, "inferfleet", identity))
        return asyncio.ensure_future(elector.run(lead))

    async def until_led_by(*identities: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while leading != list(identities):
                await asyncio.sleep(0.02)

    first = run("a")
    await until_led_by("a")
    second = run("b")
    await asyncio.sleep(3)
    assert leading == ["a"]
    first.cancel()
    await asyncio.wait((first,))
    await until_led_by("a", "b")
    lease = await cluster.get(LEASE, namespace, "inferfleet")
    assert lease is not None
    assert lease["spec"]["holderIdentity"] == "b"
    assert lease["spec"]["leaseTransitions"] == 2
    second.cancel()
    await asyncio.wait((second,))
