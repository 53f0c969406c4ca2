"""Names, labels and annotations. Pure.

The rules and words of `ValidateObjectMeta` and `api/validate/content` of k8s.io/apimachinery 1.36.
"""

import re
from collections.abc import Iterator

from inferfleet.lint.gotext import quote
from inferfleet.lint.types import Fault, Json, Path

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY_SAID = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_KEY}')"
)
_VALUE_SAID = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_KEY})?')"
)
_SUBDOMAIN_SAID = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_SAID = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
ANNOTATIONS_BYTES = 256 * 1024


def check(obj: dict[str, Json], *, namespaced: bool) -> list[Fault]:
    """What is wrong with `metadata`, whose types must be right."""
    metadata = obj.get("metadata") or {}
    faults = [*_name(metadata)]
    if namespaced and (namespace := metadata.get("namespace")):
        faults += _each("namespace", namespace, _dns_label(namespace))
    for key, value in (metadata.get("labels") or {}).items():
        faults += _each("labels", key, _label_key(key), key)
        faults += _each("labels", value or "", _label_value(value or ""), key)
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        faults += _each("annotations", key, _label_key(key.lower()), key)
    if sum(_bytes(key) + _bytes(value or "") for key, value in annotations.items()) > ANNOTATIONS_BYTES:
        told = f"Too long: may not be more than {ANNOTATIONS_BYTES} bytes"
        faults.append(Fault(("metadata", "annotations"), "metadata.annotations", told, blocking=True))
    for finalizer in metadata.get("finalizers") or ():
        faults += _each("finalizers", finalizer, _label_key(finalizer))
    return faults


def named(metadata: dict[str, Json]) -> dict[str, Json]:
    """With a name such as the API server would generate where only its beginning is given."""
    name, prefix = metadata.get("name"), metadata.get("generateName")
    return metadata if name or not prefix else metadata | {"name": f"{prefix[:58]}xxxxx"}


def _name(metadata: dict[str, Json]) -> Iterator[Fault]:
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if prefix:
        masked = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
        yield from _each("generateName", prefix, _subdomain(masked))
    if name:
        yield from _each("name", name, _subdomain(name))
    else:
        told = "Required value: name or generateName is required"
        yield Fault(("metadata",), "metadata.name", told, blocking=True)


def _each(field: str, value: str, said: Iterator[str], key: str = "") -> list[Fault]:
    path: Path = ("metadata", field, key) if key else ("metadata", field)
    return [Fault(path, f"metadata.{field}", f"Invalid value: {quote(value)}: {text}") for text in said]


def _bytes(text: str) -> int:
    return len(text.encode(errors="replace"))


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text) is not None


def _subdomain(value: str) -> Iterator[str]:
    if _bytes(value) > 253:
        yield "must be no more than 253 characters"
    if not _matches(_SUBDOMAIN, value):
        yield _SUBDOMAIN_SAID


def _dns_label(value: str) -> Iterator[str]:
    if _bytes(value) > 63:
        yield "must be no more than 63 characters"
    if not _matches(_LABEL, value):
        yield "must not contain dots" if _matches(_SUBDOMAIN, value) else _LABEL_SAID


def _label_value(value: str) -> Iterator[str]:
    if _bytes(value) > 63:
        yield "must be no more than 63 bytes"
    if not _matches(f"({_KEY})?", value):
        yield _VALUE_SAID


def _label_key(value: str) -> Iterator[str]:
    parts = value.split("/")
    if len(parts) > 2:
        yield f"a valid label key {_KEY_SAID} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return
    *prefix, name = parts
    if prefix == [""]:
        yield "prefix part must be non-empty"
    elif prefix:
        yield from (f"prefix part {said}".replace("253 characters", "253 bytes") for said in _subdomain(prefix[0]))
    if not name:
        yield "name part must be non-empty"
    elif _bytes(name) > 63:
        yield "name part must be no more than 63 bytes"
    if not _matches(_KEY, name):
        yield f"name part {_KEY_SAID}"
