"""The two worlds that most stories begin in."""

import make
import pytest
from fakes.cluster import FakeCluster
from harness import Operator, world


@pytest.fixture
def cluster() -> FakeCluster:
    return world(make.node(), make.pool(), make.workload_class(), make.model())


@pytest.fixture
async def serving(cluster: FakeCluster) -> FakeCluster:
    await Operator(cluster).settle()
    return cluster
