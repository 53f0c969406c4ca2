"""What several files of tests ask for by name."""

import pytest
from fakes.node import Node, hub_of_files


@pytest.fixture
def hub():
    """A server of the files of `fakes.node`."""
    with hub_of_files() as found:
        yield found


@pytest.fixture
def node(tmp_path, hub):
    """One whose pods fetch from `hub`."""
    return Node(tmp_path, hub)
