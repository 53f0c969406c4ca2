"""Numbers for people."""

from decimal import Decimal

import pytest

from inferfleet.api.figures import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2090.0, "2090"),
        (2086.4, "2086"),
        (1_340_000, "1340000"),
        (2.1e13, "21000000000000"),
        (999.7, "1000"),
        (85.52, "85.5"),
        (300.0, "300"),
        (6.0, "6"),
        (0.8049, "0.805"),
        (0.0000123, "0.0000123"),
        (0, "0"),
        (-1234.5, "-1234"),
        (Decimal("1500.25"), "1500"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_three_digits_or_its_whole_part_and_no_exponent(value: float | Decimal, shown: str) -> None:
    assert figures(value) == shown


def test_more_digits_can_be_asked_for() -> None:
    assert figures(0.611812, 4) == "0.6118"
    assert figures(1234.56, 6) == "1234.56"
