"""The image's documents, without a compiler or a registry."""

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from polyfleet_controller.lab.errors import LabError
from polyfleet_controller.lab.image import (
    CONFIG_TYPE,
    INDEX_TYPE,
    LAYER_TYPE,
    MANIFEST_TYPE,
    Blob,
    Image,
    ImageRecipe,
    assemble_child,
    assemble_index,
    compile_program,
    pack,
    platform_document,
)


def parse(blob: Blob) -> Any:  # noqa: ANN401 - JSON
    return json.loads(blob.content)


def files_in(layer: Blob) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer.content))) as tar:
        return {name: opened.read() for name in tar.getnames() if (opened := tar.extractfile(name))}


def assemble(**recipe: Any) -> Image:  # noqa: ANN401 - the fields of ImageRecipe
    children = [
        assemble_child(ImageRecipe(**recipe), platform=platform, program=platform.encode())
        for platform in ("linux/amd64", "linux/arm/v7")
    ]
    return Image(index=assemble_index(children), children=children)


@pytest.mark.parametrize(
    ("platform", "document"),
    [
        ("linux/riscv64", {"os": "linux", "architecture": "riscv64"}),
        ("linux/arm/v7", {"os": "linux", "architecture": "arm", "variant": "v7"}),
    ],
)
def test_a_platform_is_written_in_the_terms_of_oci(platform: str, document: dict[str, str]) -> None:
    assert platform_document(platform) == document


def test_an_index_names_each_child_with_its_platform() -> None:
    image = assemble()
    assert parse(image.index) == {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [
            {
                "mediaType": MANIFEST_TYPE,
                "digest": child.manifest.digest,
                "size": len(child.manifest.content),
                "platform": platform_document(child.platform),
            }
            for child in image.children
        ],
    }


def test_a_manifest_names_its_config_and_its_layers() -> None:
    child = assemble().child("linux/arm/v7")
    assert parse(child.manifest) == {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {
            "mediaType": CONFIG_TYPE,
            "digest": child.config.digest,
            "size": len(child.config.content),
        },
        "layers": [
            {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": len(layer.content)}
            for layer in child.layers
        ],
    }


def test_a_config_names_its_platform_and_the_unpacked_layers() -> None:
    child = assemble(exit_code=3).child("linux/arm/v7")
    assert parse(child.config) == {
        "os": "linux",
        "architecture": "arm",
        "variant": "v7",
        "config": {"Entrypoint": ["/server"], "Env": ["EXIT_CODE=3"], "ExposedPorts": {"8080/tcp": {}}},
        "rootfs": {
            "type": "layers",
            "diff_ids": [
                "sha256:" + hashlib.sha256(gzip.decompress(layer.content)).hexdigest()
                for layer in child.layers
            ],
        },
    }


def test_the_layers_hold_the_program_and_the_version() -> None:
    program, variable = assemble(version="2.1").child("linux/amd64").layers
    assert files_in(program) == {"server": b"linux/amd64"}
    assert files_in(variable) == {"version": b"2.1\n"}


def test_padding_does_not_compress() -> None:
    _, variable = assemble(padding=100_000).child("linux/amd64").layers
    assert len(files_in(variable)["padding"]) == 100_000
    assert len(variable.content) > 100_000


def test_the_same_recipe_gives_the_same_digests() -> None:
    assert assemble(version="1", padding=100) == assemble(version="1", padding=100)


def test_another_version_shares_only_the_program() -> None:
    one, two = assemble(version="1"), assemble(version="2")
    old, new = one.child("linux/amd64"), two.child("linux/amd64")
    assert one.index != two.index
    assert old.manifest != new.manifest
    assert old.config != new.config
    assert [layer in old.layers for layer in new.layers] == [True, False]


def test_files_and_links_are_packed_beside_the_program() -> None:
    child = assemble(files={"entry.sh": b"#!/bin/sh\n"}, links={"bin/sh": "../server"}).children[0]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(child.layers[0].content))) as tar:
        assert [(member.name, member.linkname) for member in tar] == [
            ("server", ""),
            ("entry.sh", ""),
            ("bin/sh", "../server"),
        ]


def test_packed_files_are_executable() -> None:
    with tarfile.open(fileobj=io.BytesIO(pack({"a": b"1"}))) as tar:
        assert [(member.name, member.mode, member.mtime) for member in tar] == [("a", 0o755, 0)]


def test_a_platform_that_the_image_lacks_is_an_error() -> None:
    with pytest.raises(LabError, match="no child for linux/riscv64"):
        assemble().child("linux/riscv64")


def test_a_platform_without_compiler_is_an_error() -> None:
    with pytest.raises(LabError, match="no compiler for linux/s390x; there are some for linux/amd64, "):
        compile_program("httpserver", "linux/s390x")
