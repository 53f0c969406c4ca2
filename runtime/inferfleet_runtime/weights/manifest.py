"""What a folder of model files holds: a line for each file, as `sha256sum` writes and checks it. Reads files.

The SHA-256 of such a text is the digest of a whole folder: what a Model may give as `sha256` of a source that is one.
It is what `find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum` prints in that folder.
"""

import hashlib
from collections.abc import Mapping

NAME = "model.sha256"
"""Of the manifest, beside the folder."""


def text(digests: Mapping[str, str]) -> str:
    """Of SHA-256 by path."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests, key=str.encode))


def digest(digests: Mapping[str, str]) -> str:
    """Of the folder."""
    return hashlib.sha256(text(digests).encode()).hexdigest()
