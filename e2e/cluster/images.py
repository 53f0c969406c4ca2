"""The project's images, built from its own Dockerfiles, and images that hold a model. Writes.

buildah builds in a storage of its own below the cache; the base is a minimal Debian made by debootstrap,
since not every machine reaches a registry. Names carry a hash of everything that went in: what is unchanged
is neither built nor loaded again.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from e2e.cluster import emulation, host, oci
from e2e.cluster.base import Builder, ensure_base, make_builder
from e2e.cluster.binaries import default_cache
from e2e.cluster.shell import ClusterError, Say, locked, say

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Recipe:
    """How an image of the project is built."""

    dockerfile: str
    options: tuple[str, ...] = ()
    """For the build, beside what every one gets."""
    only: str = ""
    """The one architecture that it is for."""


RUNTIME, VARIANTS = "runtime/Dockerfile", "--build-arg=CPU_VARIANTS=avx512 amx"
PROJECT: Mapping[str, Recipe] = {
    "operator": Recipe("operator/Dockerfile"),
    "runtime": Recipe(RUNTIME),
    "cpu-runtime": Recipe(RUNTIME, (VARIANTS,), only="amd64"),
    "openvino-runtime": Recipe(RUNTIME, (VARIANTS, "--build-arg=EXTRAS=runtime openvino"), only="amd64"),
    "media-runtime": Recipe(RUNTIME, ("--target=media",)),
}
"""The project's images. `runtime` is the smallest; the others have engines compiled or added (minutes to build)."""
STAND_INS: Mapping[str, Recipe] = {"vendor": Recipe("e2e/vendor/Dockerfile")}
"""Of images that others make; nothing is installed into them."""
REGISTRY = "inferfleet.local"
"""A name that no registry answers to: pods must use `imagePullPolicy: IfNotPresent` or `Never`."""
KEPT = 3
"""Versions of one image that stay in the cache."""
PASSED = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT", "PIP_PROXY")
"""Settings of this machine's pip that hold in a build too. Not PIP_FIND_LINKS: it may name a host folder."""
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
CERTIFICATES = "/etc/ssl/certs"


@dataclass(frozen=True)
class Image:
    """An image by its name, and the OCI archive that holds it."""

    ref: str
    archive: Path


def build(
    name: str,
    *,
    architecture: str = "",
    root: Path = ROOT,
    cache_dir: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    say: Say = say,
) -> Image:
    """Build an image of `PROJECT`, unless the cache has one of exactly this content. Needs root.

    Of another `architecture` than this machine's it is built under emulation, several times as slowly.
    """
    recipe = PROJECT.get(name) or STAND_INS.get(name)
    if recipe is None:
        raise ClusterError(f"no such image: {name}; there are {', '.join(PROJECT)}")
    architecture = architecture or oci.native()
    if recipe.only not in ("", architecture):
        raise ClusterError(f"image {name} is for {recipe.only} alone, not for {architecture}")
    dockerfile = root / recipe.dockerfile
    if not dockerfile.exists():
        raise ClusterError(f"{dockerfile}: the Dockerfile of image {name} is not there")
    if os.geteuid() != 0:
        raise ClusterError("building images needs root (chroot, mounts); run it with sudo")
    host.ensure(host.IMAGES, say=say)
    emulation.ensure(architecture, say=say)
    builder = make_builder(cache_dir or default_cache(environ), environ, architecture)
    folder = builder.cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / ".lock"):
        base = ensure_base(builder, say)
        made_with = "\n".join((base, *recipe.options))
        tag = content_hash(inputs(dockerfile, root), made_with, root=root) + suffix(architecture)
        image = Image(f"{REGISTRY}/{name}:{tag}", folder / f"{name}-{tag}.tar")
        if not image.archive.exists():
            _build(builder, recipe, root, base, image, say)
            _forget_old(builder, folder, name)
    return image


def suffix(architecture: str) -> str:
    """Of the tag: only another architecture than this machine's is told. Reads."""
    return "" if architecture == oci.native() else f"-{architecture}"


def model_image(gguf: Path, ref: str, out: Path) -> Image:
    """Pack one GGUF file as an image for an image volume; the file keeps its name, at the root."""
    oci.write_archive(out, ref, [oci.File(PurePosixPath("/") / gguf.name, gguf)])
    return Image(ref, out)


def copied(dockerfile: str) -> list[str]:
    """What a Dockerfile takes from its context: sources of COPY and ADD, and of bind mounts. Pure."""
    text = re.sub(r"\\\s*\n", " ", dockerfile)
    sources: list[str] = []
    for arguments in re.findall(r"^\s*(?:COPY|ADD)\s+(.*)$", text, re.MULTILINE | re.IGNORECASE):
        words = arguments.split()
        if not any(word.startswith("--from=") for word in words):
            sources += [word for word in words if not word.startswith("--")][:-1]
    sources += re.findall(r"--mount=type=bind,(?:[^ ]*,)?source=([^ ,]+)", text)
    return sources


def inputs(dockerfile: Path, root: Path) -> list[Path]:
    """Every file whose content can change the image, sorted. Reads."""
    found = {dockerfile, root / ".dockerignore"}
    for source in copied(dockerfile.read_text()):
        for path in root.glob(source.strip("/")) if source.strip("./") else [root]:
            found |= {path} if path.is_file() else {file for file in path.rglob("*") if file.is_file()}
    return sorted(file for file in found if file.exists() and "__pycache__" not in file.parts)


def content_hash(files: Iterable[Path], made_with: str, *, root: Path = ROOT) -> str:
    """Sixteen hex digits over paths, modes and contents of files, and whatever else they are built with. Reads."""
    digest = hashlib.sha256(made_with.encode())
    for file in files:
        content = file.read_bytes()
        digest.update(
            f"\n{os.path.relpath(file, root)} {file.stat().st_mode & 0o111} {len(content)}\n".encode() + content
        )
    return digest.hexdigest()[:16]


def build_options(environ: Mapping[str, str]) -> list[str]:
    """Options that make the network work inside a build as it does outside. Pure."""
    options = [f"--build-arg={name}={environ[name]}" for name in PASSED if environ.get(name)]
    options += [f"--build-arg={name}={environ[name]}" for name in PROXIES if environ.get(name)]
    bundle = environ.get("PIP_CERT") or environ.get("SSL_CERT_FILE")
    if bundle:
        # The bundle itself, wherever it lies: the host's folder alone may not have it.
        options += [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro", f"--build-arg=PIP_CERT={bundle}"]
        if not bundle.startswith(CERTIFICATES):
            options.append(f"--volume={bundle}:{bundle}:ro")
    return options


def _build(builder: Builder, recipe: Recipe, root: Path, base: str, image: Image, say: Say) -> None:
    say(f"building {image.ref}")
    start = time.monotonic()
    arguments: list[str | Path] = [
        "--layers",
        "--force-rm",  # of a build that failed, too: what it leaves is never looked at, and may be gigabytes
        *builder.platform(),
        "--tag",
        image.ref,
        "--file",
        root / recipe.dockerfile,
        f"--build-arg=BASE_IMAGE={base}",
        *recipe.options,
    ]
    builder.run("build", "--format=oci", "--pull=never", *arguments, *build_options(builder.environ), root)
    fresh = image.archive.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    builder.run("push", "--disable-compression", image.ref, f"oci-archive:{fresh}:{image.ref}")
    fresh.rename(image.archive)
    say(f"built {image.ref} in {time.monotonic() - start:.0f} s")


def _forget_old(builder: Builder, folder: Path, name: str) -> None:
    archives = sorted(folder.glob(f"{name}-*.tar"), key=lambda file: file.stat().st_mtime, reverse=True)
    for archive in archives[KEPT:]:
        archive.unlink()
        builder.try_run("rmi", f"{REGISTRY}/{name}:{archive.stem.removeprefix(f'{name}-')}")
    # Layers that a later build may start from have no name; newest first.
    unnamed = builder.run("images", "--quiet", "--filter", "dangling=true").split()
    for identity in unnamed[KEPT * len(PROJECT) :]:
        builder.try_run("rmi", identity)
