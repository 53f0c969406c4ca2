"""`make bench-images`: sizes of the images, compressed as a registry holds them. Builds what is missing. Writes."""

import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from e2e.bench import record
from e2e.cluster import images, oci

LIMITS_MB = {"cpu-runtime": 120, "openvino-runtime": 300}
"""What was promised."""
WORDS = {
    "runtime": "the serving runtime with the generic engine",
    "cpu-runtime": "+ builds for AVX-512 and AMX",
    "openvino-runtime": "+ OpenVINO",
    "media-runtime": "diffusers, transformers and torch, for images, videos and speech",
    "operator": "the operator",
}


def main() -> None:
    """Build, measure, publish."""
    here = oci.native()
    able = [name for name in WORDS if images.PROJECT[name].only in ("", here)]
    publish({name: layers_megabytes(images.build(name).archive) for name in able}, here)


def publish(sizes: Mapping[str, float], architecture: str) -> None:
    """In megabytes, by image."""
    rows = [(name, WORDS[name], f"{size:.0f}", LIMITS_MB.get(name, "-")) for name, size in sizes.items()]
    table = record.table(("image", "what", "MB compressed", "at most"), rows)
    base = "The base is a Debian made by debootstrap; distributions' slim images are smaller by about 20 MB."
    page = f"{record.conditions()} {base} {architecture} only.\n\n{table}"
    print(page)
    figures = {f"{name.replace('-', '_')}_mb": round(size, 1) for name, size in sizes.items()}
    print(f"written to {record.publish('images', figures, page)} and {record.PAGE}")


def layers_megabytes(archive: Path) -> float:
    """Of an OCI archive's layers, compressed as they are pushed. KeyError if it is none."""
    with tarfile.open(archive) as tar:

        def read(name: str) -> dict[str, object]:
            file = tar.extractfile(name)
            assert file
            return json.load(file)  # type: ignore[no-any-return]

        manifest = read("blobs/" + read("index.json")["manifests"][0]["digest"].replace(":", "/"))  # type: ignore[index]
        return sum(layer["size"] for layer in manifest["layers"]) / 1e6  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
