"""Values from a structural schema, for tests that must hold for anything an API server could have stored. Pure.

`anything` is a strategy of values that are valid by structure (types, bounds, lengths, forms), so that rules between
fields are often broken; `grafted` puts such values, or junk, at a few places of a manifest that is right; `problems`
says what of a value a schema forbids.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
Place = tuple[str | int, ...]
LONG = "x" * 63
WORDS = (
    *("a", "chat", "batch", "cpu", "gpu", "f16", "bf16", "q8-0", "llama-cpp", "vllm", "no-such", LONG),
    *("cpu-x86-avx2", "nvidia-l4", "nvidia-h100-80gb", "llama-3.2-1b", "llama-3.1-8b", "no.such"),
    *("F16", "BF16", "Q8_0", "Q4_0", "INT8", "FP8", "INT4-AWQ", "Q4_K_M", "NO-SUCH"),
    *("1ms", "150ms", "30s", "5m", "24h", "0s", "1h30m", "999999999h", "0.000001ms"),
    *("0", "0.0", "0.000000001", "0.05", "0.8", "0.999", "1", "1.5", "12", "999999999999.999999999"),
    *("1m", "50m", "500m", "2", "4", "1Mi", "512Mi", "2Gi", "79Gi", "999999Ti", "1G", "0.5"),
    *("2026-01-01", "2026-12-31", "2026-02-31", "0000-01-01", "9999-12-31"),
    *("0f" * 32, "f" * 64, "sha256:" + "0f" * 32),
    *("oci://inferfleet.local/models/demo:1", "oci://a@sha256:" + "0f" * 32 + "#x/y.gguf", "hf://a/b", "s3://b/k"),
    *("gs://b/k", "pvc://claim/a/b.gguf", "pvc://c", "file:///weights/a.gguf", "https://example.com/a.gguf?b=c#d"),
    *("file://" + "x" * 900, "oci://#", "https://[::1", "pvc:///", "https://\u00fc"),
    *("https://api.example.com/v1", "http://a", "3g.40gb", "gpu.example.com", "example.com/gpu", "nvidia.com/gpu"),
    *("kubernetes.io/os", "kubernetes.io/arch", "example.com/team", "a/b", "linux", "amd64", "token", "HF_TOKEN"),
    *("inferfleet.io/model", "Team", "", "eu", "caf\u00e9", "\u0000", "\u202e", "a b\n", "\U0001f600" * 20),
)
"""Of every form some, the shortest and the longest among them; the first that fits is what failures shrink to."""
JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    1e300,
    "",
    "\u0000",
    "\u00df" * 70,
    [],
    {},
    [None],
    {"": None},
    "x" * 5000,
)


def anything(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that the schema's structure allows."""
    if "enum" in schema:
        return st.sampled_from(list(schema["enum"]))
    if schema.get("x-kubernetes-int-or-string"):
        return st.one_of(_numbers({"minimum": 0, "maximum": 10**12 - 1}), _strings(schema))
    make = {"integer": _numbers, "boolean": lambda _: st.booleans(), "string": _strings, "array": _lists}
    return make.get(schema.get("type", "object"), _objects)(schema)


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    return st.sampled_from(words(schema))


def _numbers(schema: Schema) -> st.SearchStrategy[int]:
    low, high = schema.get("minimum", -(2**63)), schema.get("maximum", 2**63 - 1)
    usual = [n for n in (1, 2, 8, 64, 512, 4096, 0) if low <= n <= high]
    return st.one_of(st.sampled_from([*usual, low, high]), st.integers(low, high))


def words(schema: Schema) -> list[str]:
    """The `WORDS` that a schema of strings allows; ValueError where it allows none."""
    rules = _rules(schema)
    forms = [re.compile(form) for form in re.findall(r"self\)?\.matches\(r'(.*?)'\)", rules)]
    if "self.charAt(" in rules:  # numbers, whose `matches` would cost too much
        forms.append(re.compile(r"^[0-9]{1,15}(\.[0-9]*)?$"))
    low, high = schema.get("minLength", 0), schema.get("maxLength", 10**6)
    found = [w for w in WORDS if low <= len(w) <= high and all(form.search(w) for form in forms)]
    if schema.get("format") == "date-time":
        found = ["2026-01-01T00:00:00Z", "2025-01-01T00:00:00.5+02:00", "never"]
    if not found:
        raise ValueError(f"add to WORDS something of the form {rules}")
    return found


def _rules(schema: Schema) -> str:
    return " ".join(rule["rule"] for rule in schema.get("x-kubernetes-validations", ()))


def _keys(schema: Schema) -> list[str]:
    """The `WORDS` that a map of this schema allows as keys."""
    rules = _rules(schema)
    forms = [re.compile(form) for form in re.findall(r"[^!]k\.matches\(r'(.*?)'\)", rules)]
    longest = min([1000, *map(int, re.findall(r"size\(k\) <= (\d+)", rules))])
    return [w for w in WORDS if len(w) <= longest and all(form.search(w) for form in forms)]


def _lists(schema: Schema) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys", ())
    unique = (lambda item: tuple(str(item.get(key)) for key in keys)) if keys else None
    low, most = schema.get("minItems", 0), min(schema.get("maxItems", 3), 3)
    return st.lists(anything(schema["items"]), min_size=low, max_size=most, unique_by=unique)


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if "properties" in schema:
        parts = {name: anything(child) for name, child in schema["properties"].items()}
        needed = {name: parts.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=parts)
    if isinstance(schema.get("additionalProperties"), Mapping):
        low, most = schema.get("minProperties", 0), min(schema.get("maxProperties", 3), 3)
        return st.dictionaries(
            st.sampled_from(_keys(schema)), anything(schema["additionalProperties"]), min_size=low, max_size=most
        )
    return st.dictionaries(st.sampled_from(WORDS), st.sampled_from(JUNK), max_size=2)


def grafted(schema: Schema, manifests: list[Any], junk: bool = False) -> st.SearchStrategy[Any]:
    """One of the manifests with a few places changed: another value, nothing at all, or even junk."""
    return st.one_of([_grafts(schema, manifest, JUNK if junk else ()) for manifest in manifests])


def _grafts(schema: Schema, manifest: Any, junk: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    found = list(places(schema, manifest))
    changes = [st.tuples(st.just(place), anything(inside)) for place, inside, _ in found]
    for place, _, needed in found:
        if others := [*([] if needed and not junk else [_GONE]), *junk]:
            changes.append(st.tuples(st.just(place), st.sampled_from(others)))
    return st.lists(st.one_of(changes), max_size=4).map(lambda chosen: _changed(manifest, chosen))


_GONE = object()


def _changed(manifest: Any, changes: list[tuple[Place, Any]]) -> Any:
    result = copy.deepcopy(manifest)
    for (*parents, last), value in changes:
        node = result
        try:
            for key in parents:
                node = node[key]
            if value is _GONE:
                del node[last]
            else:
                node[last] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    return result


def places(schema: Schema, value: Any, at: Place = ()) -> Iterator[tuple[Place, Schema, bool]]:
    """Every place below a value that it has, or could have; and whether it must."""
    for name, child in schema.get("properties", {}).items():
        yield (*at, name), child, name in schema.get("required", ())
        if name in value:
            yield from places(child, value[name], (*at, name))
    if "items" in schema:
        for index, item in enumerate(value):
            yield (*at, index), schema["items"], len(value) <= schema.get("minItems", 0)
            yield from places(schema["items"], item, (*at, index))


def problems(schema: Schema, value: Any, at: str = "") -> Iterator[str]:
    """What a schema forbids of a value, unknown fields included."""
    kind = schema.get("type")
    types: Mapping[Any, type | tuple[type, ...]] = {"object": dict, "array": list, "string": str, "boolean": bool}
    wrong = not isinstance(value, int) or isinstance(value, bool) if kind == "integer" else False
    if wrong or (kind in types and not isinstance(value, types[kind])):
        yield f"{at}: no {kind}: {value!r}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: not one of {schema['enum']}: {value!r}"
    for key, over in (("maxLength", str), ("maxItems", list), ("maxProperties", dict)):
        if key in schema and isinstance(value, over) and len(value) > schema[key]:
            yield f"{at}: longer than {schema[key]}: {len(value)}"
    if schema.get("format") == "date-time" and not _TIME.fullmatch(value):
        yield f"{at}: no time: {value!r}"
    yield from _inside(schema, value, at)


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _inside(schema: Schema, value: Any, at: str) -> Iterator[str]:
    if "properties" in schema:
        yield from (f"{at}.{name}: required" for name in schema.get("required", ()) if name not in value)
        yield from (f"{at}.{name}: unknown" for name in value if name not in schema["properties"])
        for name in value.keys() & schema["properties"].keys():
            yield from problems(schema["properties"][name], value[name], f"{at}.{name}")
    elif isinstance(schema.get("additionalProperties"), Mapping):
        for name in value:
            yield from problems(schema["additionalProperties"], value[name], f"{at}.{name}")
    if "items" in schema:
        for index, item in enumerate(value):
            yield from problems(schema["items"], item, f"{at}[{index}]")
