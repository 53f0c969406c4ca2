import pytest
from pydantic import ValidationError

from inferfleet.api.hardware_pool import CustomAccelerator

FACTS = {
    "kind": "GPU",
    "resourceName": "example.com/gpu",
    "memoryBandwidth": "1e12",
    "operations": {"BF16": "1e14"},
    "engines": ["llama-cpp"],
}


def test_memory_below_nothing_is_refused_whatever_the_api_server_let_through():
    with pytest.raises(ValidationError, match="memory must be above 0"):
        CustomAccelerator.model_validate(FACTS | {"memory": -1})
    assert CustomAccelerator.model_validate(FACTS | {"memory": "16Gi"}).memory == 2**34
