"""The checks that the fake cluster passes, against a real API server: the fake is true."""

import pytest
from fakes import conformance

from inferfleet.kube.cluster import KubernetesCluster


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
async def test_the_api_server_behaves_as_the_fake(
    check: conformance.Check, cluster: KubernetesCluster, namespace: str
) -> None:
    await check(cluster, namespace)
