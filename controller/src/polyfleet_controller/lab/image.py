"""The lab's workload: one image for four architectures, compiled and assembled here.

An OCI image is a few JSON documents and tar files that name each other by digest (image-spec); building it
by hand lets a test choose which platforms it has.
"""

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Self

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.processes import run

INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"

SERVER_PORT = 8080

COMPILERS: Mapping[str, str] = MappingProxyType(
    {
        "linux/amd64": "x86_64-linux-gnu-gcc",
        "linux/arm64": "aarch64-linux-gnu-gcc",
        "linux/arm/v7": "arm-linux-gnueabihf-gcc",
        "linux/riscv64": "riscv64-linux-gnu-gcc",
    }
)
PLATFORMS = tuple(COMPILERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecipe:
    """What an image is made of; the same recipe always gives the same digests.

    The server answers with `version`. With `exit_code` it ends at once instead. `padding` bytes that do not
    compress make a pull take its time.

    Images that fail: `program` is another of the lab's sources, as `programs` may name for single platforms,
    without `static` it needs a loader that the image lacks, and where `lies` has a platform, its child holds
    the program of the platform named there.
    `files` and symbolic `links` are put beside the program, and `entrypoint` may name one of them.
    """

    platforms: Sequence[str] = PLATFORMS
    version: str = "1"
    exit_code: int | None = None
    padding: int = 0
    program: str = "httpserver"
    programs: Mapping[str, str] = field(default_factory=dict)
    static: bool = True
    lies: Mapping[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ("/server",)
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A document or a layer, with its media type."""

    media_type: str
    content: bytes

    @classmethod
    def from_document(cls, media_type: str, document: Mapping[str, Any]) -> Self:
        return cls(media_type=media_type, content=json.dumps(document, sort_keys=True).encode())

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """image-spec, descriptor.md."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The image of one platform."""

    platform: str
    manifest: Blob
    config: Blob
    layers: Sequence[Blob]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image index and everything that it names."""

    index: Blob
    children: Sequence[Child]

    def child(self, platform: str) -> Child:
        """Return the child of a platform.

        Raises:
            LabError: the image has none.
        """
        for child in self.children:
            if child.platform == platform:
                return child
        raise LabError(f"the image has no child for {platform}")


def build_image(recipe: ImageRecipe) -> Image:
    """Compile the program for every platform of the recipe and assemble the image.

    Raises:
        LabError: a compiler is missing or failed.
    """
    sources = [recipe.programs.get(platform, recipe.program) for platform in recipe.platforms]
    built_for = [recipe.lies.get(platform, platform) for platform in recipe.platforms]
    with ThreadPoolExecutor(thread_name_prefix="lab-compile") as pool:
        compiled = partial(compile_program, static=recipe.static)
        programs = list(pool.map(compiled, sources, built_for))
    children = [
        assemble_child(recipe, platform=platform, program=program)
        for platform, program in zip(recipe.platforms, programs, strict=True)
    ]
    return Image(index=assemble_index(children), children=children)


@cache
def compile_program(name: str, platform: str, *, static: bool = True) -> bytes:
    """Return one of the lab's programs as an executable of the platform.

    Raises:
        LabError: the compiler is missing or failed.
    """
    if platform not in COMPILERS:
        raise LabError(f"no compiler for {platform}; there are some for {', '.join(COMPILERS)}")
    program = files("polyfleet_controller.lab") / "programs" / f"{name}.c"
    with as_file(program) as source, TemporaryDirectory(prefix="polyfleet-cc-") as directory:
        executable = Path(directory) / name
        options = ["-static"] if static else []
        run([COMPILERS[platform], *options, "-Os", "-s", "-Wall", "-o", str(executable), str(source)])
        return executable.read_bytes()


def assemble_child(recipe: ImageRecipe, *, platform: str, program: bytes) -> Child:
    """Return the platform's image: the program in one layer, the version and the padding in another."""
    variable = {"version": f"{recipe.version}\n".encode()}
    if recipe.padding:
        variable["padding"] = random.Random(recipe.version).randbytes(recipe.padding)  # noqa: S311 - filler
    archives = [pack({"server": program, **recipe.files}, recipe.links), pack(variable)]
    layers = [Blob(media_type=LAYER_TYPE, content=gzip.compress(archive, mtime=0)) for archive in archives]
    environment = [] if recipe.exit_code is None else [f"EXIT_CODE={recipe.exit_code}"]
    config = Blob.from_document(
        CONFIG_TYPE,
        platform_document(platform)
        | {
            "config": {
                "Entrypoint": list(recipe.entrypoint),
                "Env": environment,
                "ExposedPorts": {f"{SERVER_PORT}/tcp": {}},
            },
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives],
            },
        },
    )
    manifest = Blob.from_document(
        MANIFEST_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor,
            "layers": [layer.descriptor for layer in layers],
        },
    )
    return Child(platform=platform, manifest=manifest, config=config, layers=layers)


def assemble_index(children: Sequence[Child]) -> Blob:
    """Return the index of these images."""
    return Blob.from_document(
        INDEX_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": [
                child.manifest.descriptor | {"platform": platform_document(child.platform)}
                for child in children
            ],
        },
    )


def platform_document(platform: str) -> dict[str, str]:
    """Return `os/architecture[/variant]` as the fields of an OCI document."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def pack(contents: Mapping[str, bytes], links: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """Return a tar archive of executable files and symbolic links, the same bytes for the same contents."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o755
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.SYMTYPE
            entry.linkname = target
            tar.addfile(entry)
    return archive.getvalue()
