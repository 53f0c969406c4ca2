import pytest

from inferfleet_runtime.api.caller import Caller, caller
from inferfleet_runtime.api.errors import ApiError
from inferfleet_runtime.contract import HEADER_PRIORITY, HEADER_TENANT, HEADER_TIMEOUT, Requests

TRUSTED = Requests(trusted_headers=True, priority=3)


def test_a_gateway_names_tenant_and_priority():
    headers = {HEADER_TENANT: "team-a.b_c", HEADER_PRIORITY: "-7"}
    assert caller(headers, TRUSTED) == Caller("team-a.b_c", -7, later=True)


def test_without_a_gateway_nobody_raises_his_own_priority_or_takes_a_name():
    headers = {HEADER_TENANT: "not a name!", HEADER_PRIORITY: "999"}
    assert caller(headers, Requests(priority=3)) == Caller("", 3)


def test_the_class_says_what_holds_where_the_headers_say_nothing():
    assert caller({}, Requests(trusted_headers=True, priority=3, deadline_seconds=60)) == Caller("", 3, 60)


def test_the_earlier_of_both_deadlines_holds():
    known = Requests(deadline_seconds=60)
    assert caller({HEADER_TIMEOUT: "1.5"}, known).timeout == 1.5
    assert caller({HEADER_TIMEOUT: "100"}, known).timeout == 60


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (HEADER_TIMEOUT, "soon"),
        (HEADER_TIMEOUT, "0"),
        (HEADER_TIMEOUT, "nan"),
        (HEADER_TIMEOUT, "inf"),
        (HEADER_PRIORITY, "1.5"),
        (HEADER_PRIORITY, "9" * 5000),
        (HEADER_TENANT, "a b"),
        (HEADER_TENANT, "-a"),
        (HEADER_TENANT, "a" * 64),
    ],
)
def test_a_malformed_header_is_named(header, value):
    with pytest.raises(ApiError) as raised:
        caller({header: value}, TRUSTED)
    assert (raised.value.status, raised.value.param) == (400, header)
