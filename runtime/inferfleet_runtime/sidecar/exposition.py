"""Numbers as text for Prometheus. Pure."""

from collections.abc import Iterable, Mapping


def write(series: Iterable[tuple[str, str, Mapping[str, float]]], model: str) -> str:
    """Text of (name, type, value by further labels); the label `model_name` is added."""
    lines = []
    for name, kind, values in series:
        lines.append(f"# TYPE {name} {kind}")
        for labels, value in values.items():
            suffix, _, more = labels.partition("|")
            inside = f'model_name="{model}"' + (f",{more}" if more else "")
            lines.append(f"{name}{suffix}{{{inside}}} {value:.12g}")
    return "\n".join(lines) + "\n"
