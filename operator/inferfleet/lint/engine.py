"""The evaluator of CEL expressions: Google's C++ one, in the optional dependency `cel-expr-python`. Pure.

Holds what Kubernetes adds to CEL as far as our rules use it. Raises `EvaluationError` where an expression has no
value, in the words of the API server's evaluator (`cel-go`), and `MissingError` where the dependency is not installed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any

from inferfleet.lint import duration, quantity

INSTALL = "inferfleet lint needs the Python package cel-expr-python; in a checkout of Inferfleet: pip install '.[lint]'"
NO_OVERLOAD = "no such overload"
_KEY = re.compile(r'Key not found in map : "(.*)"', re.DOTALL)
_INDEX = re.compile(r"Index error: index=(-?\d+)")
_DURATION = re.compile(r"\bduration\(")
_NO_DURATION = "type conversion error from 'string' to 'google.protobuf.Duration'"


class MissingError(Exception):
    """The evaluator is not installed; the message says what to do."""


class EvaluationError(Exception):
    """An expression that does not compile, or has no value for this input; the message says why."""


@dataclass
class Engine:
    """Compiles each expression once. Make it with `load`."""

    environment: Any
    error: Any
    """The type of values that are errors."""
    programs: dict[str, Any] = field(default_factory=dict)

    def evaluate(self, expression: str, self_: Any) -> Any:
        """The value for this `self`. EvaluationError: it has none."""
        value = self.program(expression).eval(data={"self": _safe(self_)})
        if value.type() == self.error:
            raise EvaluationError(_words(str(value.value())))
        return value.plain_value()

    def program(self, expression: str) -> Any:
        """Compiled. EvaluationError: the expression is wrong, or uses what lint does not know."""
        if expression not in self.programs:
            try:
                self.programs[expression] = self.environment.compile(_DURATION.sub("goDuration(", expression))
            except RuntimeError as error:
                raise EvaluationError(str(error)) from error
        return self.programs[expression]


def load() -> Engine:
    """MissingError: the `lint` extra is not installed."""
    try:
        cel = import_module("cel_expr_python.cel")
        strings, optional, bindings = (
            import_module(f"cel_expr_python.ext.ext_{name}") for name in ("strings", "optional", "bindings")
        )
    except ImportError as error:
        raise MissingError(INSTALL) from error
    extensions = [strings.ExtStrings(), optional.ExtOptional(), bindings.ExtBindings()]
    environment = cel.NewEnv(variables={"self": cel.Type.DYN}, extensions=extensions, functions=_functions(cel))
    return Engine(environment, cel.Type.ERROR)


def _functions(cel: Any) -> list[Any]:
    """The quantity library of Kubernetes, where a quantity is its text, and Go's durations."""
    text, number, truth = cel.Type.STRING, cel.Type.INT, cel.Type.BOOL

    def function(name: str, result: Any, arguments: int, call: Any, *, member: bool = False) -> Any:
        return cel.FunctionDecl(name, [cel.Overload(f"k8s_{name}", result, [text] * arguments, member, call)])

    return [
        function("isQuantity", truth, 1, quantity.is_quantity),
        function("quantity", text, 1, _quantity),
        function("goDuration", cel.Type.DURATION, 1, _duration),
        function("compareTo", number, 2, quantity.compare, member=True),
        function("isGreaterThan", truth, 2, lambda a, b: quantity.compare(a, b) > 0, member=True),
        function("isLessThan", truth, 2, lambda a, b: quantity.compare(a, b) < 0, member=True),
    ]


def _quantity(text: str) -> str:
    quantity.parse(text)
    return text


def _duration(text: str) -> timedelta:
    try:
        return duration.parse(text)
    except ValueError as error:
        raise ValueError(_NO_DURATION) from error


def _safe(value: Any) -> Any:
    """The evaluator takes text up to a NUL; no rule tells one control character from another."""
    if isinstance(value, str):
        return value.replace("\0", "\1")
    if isinstance(value, Mapping):
        return {_safe(key): _safe(item) for key, item in value.items()}
    return [_safe(item) for item in value] if isinstance(value, list) else value


def _words(error: str) -> str:
    if found := _KEY.search(error):
        return f"no such key: {found[1]}"
    if found := _INDEX.search(error):
        return f"index out of bounds: {found[1]}"
    if "No matching overloads found" in error:
        return NO_OVERLOAD
    return error.split(": ", 1)[-1]
