"""The charts and the operator's image of a release. Reads; unpacking and building write below the given folder."""

import tarfile
from pathlib import Path

from e2e.cluster import images
from e2e.cluster.shell import Say, say
from e2e.packages.pack import FOLDER

PREVIOUS = "0.1.0"
"""The release that users upgrade from."""


def chart(name: str, version: str = PREVIOUS) -> Path:
    """The package of a chart, as `helm install` takes it."""
    return FOLDER / f"{name}-{version}.tgz"


def unpack(folder: Path, version: str = PREVIOUS) -> Path:
    """The sources of the release's operator, in a new folder below `folder`; returned as a root of a build."""
    root = folder / f"inferfleet-{version}"
    with tarfile.open(FOLDER / f"inferfleet-{version}-src.tar.gz") as archive:
        for entry in archive:  # our own package: plain files below one folder (filters need Python 3.11.4)
            if file := archive.extractfile(entry):
                target = root / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
                target.chmod(entry.mode)
    return root


def operator_image(folder: Path, version: str = PREVIOUS, say: Say = say) -> images.Image:
    """The operator's image, built by the release's own Dockerfile; needs root."""
    return images.build("operator", root=unpack(folder, version), say=say)
