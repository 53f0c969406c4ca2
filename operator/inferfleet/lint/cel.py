"""The CEL rules of a CRD (`x-kubernetes-validations`) on a value. Pure.

As `schema/cel` of apiextensions-apiserver 1.36 for a new object: transition rules, which compare with the stored
object (`oldSelf`), do not apply to it.
"""

import re
from collections.abc import Iterator
from typing import Any

from inferfleet.lint.engine import NO_OVERLOAD, Engine, EvaluationError
from inferfleet.lint.gotext import bad
from inferfleet.lint.strict import schema_of
from inferfleet.lint.types import NOWHERE, Fault, Json, Path, Schema

_OLD = re.compile(r"\boldSelf\b")
_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_REASONS = {
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required value",
    "FieldValueDuplicate": "Duplicate value",
}
Rule = dict[str, Any]


def check(obj: dict[str, Json], schema: Schema, engine: Engine) -> Iterator[Fault]:
    """All rules that are broken; the value must be right by its structure."""
    yield from _node(obj, schema, (), "", engine)


def is_transition(rule: Rule) -> bool:
    """Whether a rule is only about changes."""
    return _OLD.search(rule["rule"]) is not None and not rule.get("optionalOldSelf", False)


def rules(schema: Schema) -> Iterator[Rule]:
    """Every rule of a schema."""
    yield from schema.get("x-kubernetes-validations", ())
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    for child in inner:
        if isinstance(child, dict):
            yield from rules(child)


def expression(rule: Rule) -> str:
    """What is evaluated for a new object."""
    text: str = rule["rule"]
    return f"cel.bind(oldSelf, optional.none(), {text})" if _OLD.search(text) else text


def _node(value: Json, schema: Schema, path: Path, name: str, engine: Engine) -> Iterator[Fault]:
    if value is None:
        return
    if found := [rule for rule in schema.get("x-kubernetes-validations", ()) if not is_transition(rule)]:
        self_ = _root(value, schema) if not path else _cel(value, schema)
        for rule in found:
            yield from _rule(rule, self_, (value, schema, path, name), engine)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from _node(item, schema["items"], (*path, i), f"{name}[{i}]", engine)
    elif isinstance(value, dict):
        for key, item in value.items():
            if (inner := schema_of(key, schema)) is not None:
                known = key in schema.get("properties", {})
                below = (f"{name}.{key}" if name else key) if known else f"{name}[{key}]"
                yield from _node(item, inner, (*path, key), below, engine)


def _rule(rule: Rule, self_: Any, where: tuple[Json, Schema, Path, str], engine: Engine) -> Iterator[Fault]:
    value, schema, path, name = where
    said = str(rule.get("message", rule["rule"])).strip()
    try:
        holds = engine.evaluate(expression(rule), self_)
    except EvaluationError as failure:
        type_ = bad(schema.get("type", ""))
        yield Fault(path, name or NOWHERE, f"Invalid value: {type_}: {_failed(str(failure), said)}")
        return
    if holds is not True:
        detail = _message(rule, self_, engine) or (said if "message" in rule else f"failed rule: {said}")
        below = rule.get("fieldPath", "").removeprefix(".")
        where_ = f"{name}.{below}" if name and below else name or below or NOWHERE
        kind = _kind(rule, value, schema)
        told = kind if rule.get("reason") == "FieldValueDuplicate" else f"{kind}: {detail}"
        yield Fault((*path, *_keys(below)), where_, told)


def _failed(failure: str, said: str) -> str:
    if failure == NO_OVERLOAD:
        words = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{failure}': {words}: {said}"
    return f"{failure} evaluating rule: {said}"


def _kind(rule: Rule, value: Json, schema: Schema) -> str:
    reason = rule.get("reason", "")
    kind = _REASONS.get(reason, "Invalid value")
    if reason in ("FieldValueForbidden", "FieldValueRequired") or schema.get("type") in ("object", "array"):
        return kind
    return f"{kind}: {bad(value)}"


def _message(rule: Rule, self_: Any, engine: Engine) -> str:
    """Of its messageExpression; empty where it has none or it gives none, and the message counts."""
    if "messageExpression" not in rule:
        return ""
    try:
        text = engine.evaluate(rule["messageExpression"], self_)
    except EvaluationError:
        return ""
    trimmed = text.strip() if isinstance(text, str) else ""
    return "" if "\n" in trimmed else trimmed


def _keys(field_path: str) -> Path:
    return tuple(part for part in re.split(r"[.\[\]']+", field_path) if part)


def _root(obj: Json, schema: Schema) -> Any:
    """Of its metadata a rule sees the names alone."""
    metadata = obj.get("metadata") or {}
    named = {key: metadata[key] for key in ("name", "generateName") if key in metadata}
    return {**_cel(obj, schema), "metadata": named} | {key: obj[key] for key in ("apiVersion", "kind") if key in obj}


def _cel(value: Json, schema: Schema | None) -> Any:
    """As a rule sees it: fields under names that CEL can say."""
    if isinstance(value, list):
        return [_cel(item, (schema or {}).get("items")) for item in value]
    if isinstance(value, dict):
        fields = (schema or {}).get("properties")
        return {_escaped(key) if fields else key: _cel(item, schema_of(key, schema)) for key, item in value.items()}
    if isinstance(value, int) and (schema or {}).get("type") == "number":
        return float(value)
    return value


def _escaped(key: str) -> str:
    if key in _RESERVED:
        return f"__{key}__"
    return re.sub(r"__|[-./]", lambda found: _ESCAPES[found[0]], key)
