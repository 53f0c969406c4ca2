"""The parameters that say how tokens are chosen, each with its range. Pure."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from inferfleet_runtime.api.errors import ApiError

_SEEDS = 2**32 - 1
"""llama.cpp takes 32 bits, of which the highest value means: any."""
_STOPS = 16

Check = Callable[[Any], bool]


def _number(low: float, high: float) -> Check:
    return lambda value: type(value) in (int, float) and low <= value <= high


def _whole(low: int, high: int) -> Check:
    return lambda value: type(value) is int and low <= value <= high


def _boolean(value: Any) -> bool:
    return type(value) is bool


def _stop(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= _STOPS and all(isinstance(text, str) and text for text in value)
    return isinstance(value, str)


def _bias(value: Any) -> bool:
    between = _number(-100, 100)
    return isinstance(value, dict) and all(token.isdecimal() and between(bias) for token, bias in value.items())


_CHECKS: Mapping[str, tuple[Check, str]] = MappingProxyType(
    {
        "temperature": (_number(0, 2), "a number from 0 to 2"),
        "top_p": (_number(0, 1), "a number from 0 to 1"),
        "frequency_penalty": (_number(-2, 2), "a number from -2 to 2"),
        "presence_penalty": (_number(-2, 2), "a number from -2 to 2"),
        "seed": (_whole(-(2**63), 2**63 - 1), "a whole number of 64 bits"),
        "stop": (_stop, f"a text or a list of at most {_STOPS} texts, none of them empty"),
        "logit_bias": (_bias, "an object of token ids with numbers from -100 to 100"),
        # llama.cpp's own, that change neither the size of a request nor the shape of its answer
        "ignore_eos": (_boolean, "true or false"),
        "min_p": (_number(0, 1), "a number from 0 to 1"),
        "repeat_penalty": (_number(0.01, 10), "a number from 0.01 to 10"),
        "top_k": (_whole(0, 2**31 - 1), "a whole number of at least 0"),
    }
)
SAMPLING = frozenset(_CHECKS)
"""Parameters of every endpoint that generates text."""


def sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `body`, as the engine takes them. Raises ApiError that names the first wrong one."""
    found = {name: value for name, value in body.items() if name in _CHECKS}
    for name, value in found.items():
        check, wanted = _CHECKS[name]
        if not check(value):
            raise ApiError(400, f"`{name}` must be {wanted}", param=name)
    if "seed" in found:
        found["seed"] %= _SEEDS
    return found
