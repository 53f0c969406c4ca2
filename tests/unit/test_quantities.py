"""Durations, quantities and money as users write them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferfleet.api.quantities import (
    format_bytes,
    format_cpu,
    format_duration,
    human_bytes,
    parse_decimal,
    parse_duration,
    parse_fraction,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("150ms", 0.15), ("30s", 30), ("1m30s", 90), ("24h", 86400), ("1.5s", 1.5), ("0s", 0)]
)
def test_a_duration_is_its_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "-3s", "1d", "1 s", None, 3])
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9 - 1))
def test_a_duration_survives_a_round_trip(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), ("2", "2"), (2, "2"), ("1.5", "1.5"), ("1Ki", "1024"), ("3G", "3000000000"), ("2k", "2000")],
)
def test_a_quantity_is_its_number(text: object, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1Q", "-1", "1e3x", None])
def test_what_is_no_quantity_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as"):
        parse_quantity(text)


@pytest.mark.parametrize("price", ["0.02150537634408602", "1234567890123", "1" * 24])
def test_a_price_that_an_older_definition_let_in_is_still_read(price: str) -> None:
    assert parse_decimal(price) == Decimal(price)


@given(st.integers(min_value=1, max_value=10**7))
def test_cpu_survives_a_round_trip(milli: int) -> None:
    assert parse_quantity(format_cpu(Decimal(milli) / 1000)) == Decimal(milli) / 1000


@given(st.integers(min_value=0, max_value=2**50))
def test_bytes_survive_a_round_trip(size: int) -> None:
    assert int(parse_quantity(format_bytes(size))) == size


@pytest.mark.parametrize("value", [0.4, 1, "1e3", "-1", ".5", "x"])
def test_money_is_a_plain_decimal_string(value: object) -> None:
    with pytest.raises(ValueError, match="is not a decimal string"):
        parse_decimal(value)


def test_bytes_in_messages_have_three_digits() -> None:
    assert [human_bytes(n) for n in (12, 1234, 4_840_000_000, 2.5e12)] == ["12 B", "1.23 kB", "4.84 GB", "2.5 TB"]


@pytest.mark.parametrize(("text", "written"), [("1Gi", "1Gi"), ("1G", "1G"), ("500M", "500M"), ("1500Ki", "1500Ki")])
def test_bytes_are_written_as_the_api_server_does(text: str, written: str) -> None:
    """Otherwise every look at a child would see drift."""
    assert format_bytes(int(parse_quantity(text))) == written


@pytest.mark.parametrize("text", ["0.0", "0", "1", "1.5", "0.00000"])
def test_a_fraction_is_between_zero_and_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a fraction"):
        parse_fraction(text)


def test_a_duration_beyond_reason_is_an_error_of_the_field() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration("99999999999999h")
