"""The catalog's tables of parallelism beside what the runtime's own engine descriptions accept."""

from typing import Any

import pytest
from fakes.vendor_configs import vendor_config
from questions import CATALOG, UNPLACED

from inferfleet.planning.candidates.engines import kind_of
from inferfleet_runtime.engines.vendors.render import VENDORS, render
from inferfleet_runtime.engines.vendors.vendor import UnsupportedError

SPREADS: dict[str, dict[str, Any]] = {
    "Tensor": {"tensor": 2},
    "Pipeline": {"pipeline": 2},
    "Expert": {"tensor": 2, "expert": True},
}


def renders(engine: str, kind: str | None, spread: dict[str, Any]) -> bool:
    device = {"kind": kind, "quantization": "BF16", "parallelism": spread}
    try:
        render(vendor_config(engine, device=device))
    except UnsupportedError:
        return False
    return True


KNOWN = sorted({(engine, kind_of(CATALOG.accelerators[a])) for engine, a in UNPLACED}, key=str)


@pytest.mark.parametrize(("engine", "kind"), [(e, k) for e, k in KNOWN if e in VENDORS and k in VENDORS[e].images])
@pytest.mark.parametrize("name", SPREADS)
def test_no_parallelism_is_planned_that_the_runtime_would_refuse(engine: str, kind: str, name: str) -> None:
    planned = [p for (e, a), p in UNPLACED.items() if e == engine and kind_of(CATALOG.accelerators[a]) == kind]
    if any(name in p.spreads for p in planned):
        assert renders(engine, kind, SPREADS[name])
