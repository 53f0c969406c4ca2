"""The fake cluster behaves as the real one (tests/apiserver/test_kube_conformance.py runs the same checks)."""

import pytest
from fakes import conformance
from fakes.cluster import FakeCluster


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
async def test_the_fake_cluster_conforms(check: conformance.Check) -> None:
    await check(FakeCluster(), "default")
