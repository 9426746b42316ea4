"""`polyfleet image inspect` and what is behind it, against real registries."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from fixtures.oci import DOCKER_LIST, listed, make_child, make_index
from fixtures.registries import Access, Door, DoorMaker, with_password
from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.inspection import DocumentKind, StatedPlatform
from polyfleet_controller.lab.image import (
    CONFIG_TYPE,
    INDEX_TYPE,
    MANIFEST_TYPE,
    Blob,
    Child,
    Image,
    ImageRecipe,
    build_image,
    platform_document,
)
from polyfleet_controller.registry.certificates import CertificateStore
from polyfleet_controller.registry.credential_store import CredentialStore
from polyfleet_controller.registry.inspection import Inspector, NoSuchPlatformError
from polyfleet_controller.services.ports import RegistryFailure
from polyfleet_shared.platforms import Platform
from polyfleet_shared.reasons import Reason

PROGRAM: Final = [sys.executable, "-c", "from polyfleet_controller.cli import main; main()"]
PROVENANCE: Final = "https://slsa.dev/provenance/v0.2"


def inspector(door: Door) -> Inspector:
    return Inspector(
        plain_http=bool(door.insecure),
        timeout=20,
        credentials=CredentialStore(door.auth_file),
        certificates=CertificateStore(door.certificates),
    )


def inspect(*arguments: str, home: Path, **variables: str) -> tuple[int, bytes, str]:
    """Run `polyfleet image inspect`; return exit code, stdout and stderr."""
    ended = subprocess.run(
        [*PROGRAM, "image", "inspect", *arguments],
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(home), **variables},
        timeout=60,
    )
    return ended.returncode, ended.stdout, ended.stderr.decode()


def make_attestation(child: Child) -> tuple[Child, dict[str, Any]]:
    """What BuildKit puts beside an image: no image, though it looks like one."""
    config = Blob.from_document(CONFIG_TYPE, platform_document("unknown/unknown"))
    statement = Blob.from_document("application/vnd.in-toto+json", {"subject": child.manifest.digest})
    manifest = Blob.from_document(
        MANIFEST_TYPE,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor,
            "layers": [statement.descriptor | {"annotations": {"in-toto.io/predicate-type": PROVENANCE}}],
        },
    )
    made = Child(platform="unknown/unknown", manifest=manifest, config=config, layers=[statement])
    annotations = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": child.manifest.digest,
    }
    return made, {"platform": platform_document("unknown/unknown"), "annotations": annotations}


def test_every_registry_shows_every_platform_as_the_index_has_it(door: Door) -> None:
    image = build_image(ImageRecipe())
    found = inspector(door).inspect(door.push(image, "inspected"))
    assert (found.digest, found.kind, found.media_type) == (
        image.index.digest,
        DocumentKind.INDEX,
        INDEX_TYPE,
    )
    assert [(str(entry.platform), entry.digest, entry.config, entry.size) for entry in found.entries] == [
        (
            child.platform,
            child.manifest.digest,
            child.config.digest,
            sum(len(layer.content) for layer in child.layers),
        )
        for child in image.children
    ]
    assert [entry for entry in found.entries if entry.contradicts_itself or entry.repeats] == []


@pytest.fixture(scope="module")
def plain(doors: DoorMaker) -> Door:
    return doors.make(Access.PLAIN)


def test_nothing_of_an_index_is_left_out_or_put_right(plain: Door) -> None:
    amd64, arm, again = make_child("linux/amd64"), make_child("linux/arm/v7"), make_child("linux/amd64/v1")
    windows = make_child("windows/amd64")
    attestation = make_attestation(amd64)
    lie = replace(make_child("linux/s390x"), platform="linux/ppc64le")
    nested = make_index(listed(arm), listed(again), media_type=DOCKER_LIST)
    plain.push(nested, "odd", "nested")
    as_child = Child(platform="", manifest=nested.index, config=arm.config, layers=())
    versions = {"platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.1"}}
    made = make_index(
        listed(amd64), attestation, (as_child, {}), listed(lie), (windows, versions), (windows, {})
    )
    found = inspector(plain).inspect(plain.push(made, "odd"))
    assert [
        (entry.kind.value, str(entry.meant_for), entry.within, entry.repeats, entry.contradicts_itself)
        for entry in found.entries
    ] == [
        ("image", "linux/amd64", None, False, False),
        ("attestation", "unknown/unknown", None, False, False),
        ("index", "None", None, False, False),
        ("image", "linux/arm/v7", nested.index.digest, False, False),
        ("image", "linux/amd64/v1", nested.index.digest, True, False),
        ("image", "linux/ppc64le", None, False, True),
        ("image", "windows/amd64", None, False, False),
        ("image", "windows/amd64", None, False, False),
    ]
    assert (found.entries[1].attests, found.entries[1].predicates) == (amd64.manifest.digest, (PROVENANCE,))
    assert found.entries[6].platform == StatedPlatform(
        os="windows", architecture="amd64", os_version="10.0.1"
    )


def test_an_entry_that_is_gone_is_told_and_hides_no_other(plain: Door) -> None:
    gone, there = make_child("linux/amd64", content=b"gone"), make_child("linux/arm64", content=b"there")
    reference = plain.push(make_index(listed(gone), listed(there)), "holes")
    name = gone.manifest.digest.removeprefix("sha256:")
    (plain.shelf.storage / "docker/registry/v2/blobs/sha256" / name[:2] / name / "data").unlink()
    found = inspector(plain).inspect(reference)
    assert [(entry.kind, entry.digest) for entry in found.entries] == [
        (DocumentKind.UNREADABLE, gone.manifest.digest),
        (DocumentKind.IMAGE, there.manifest.digest),
    ]
    assert f"has no manifest {gone.manifest.digest}" in (found.entries[0].problem or "")


def test_a_single_image_is_shown_with_its_configs_platform(plain: Door) -> None:
    child = make_child("linux/arm/v6")
    reference = plain.push(Image(index=child.manifest, children=[child]), "alone")
    found = inspector(plain).inspect(reference)
    assert (found.kind, [str(entry.meant_for) for entry in found.entries]) == (
        DocumentKind.IMAGE,
        ["linux/arm/v6"],
    )


def test_one_platform_is_described_by_its_config(plain: Door) -> None:
    image = build_image(ImageRecipe(exit_code=3))
    reference = plain.push(image, "described")
    details = inspector(plain).describe(reference, Platform.parse("linux/arm"))
    assert details.entry.digest == image.child("linux/arm/v7").manifest.digest
    assert (details.entrypoint, details.environment_names, details.ports) == (
        ("/server",),
        ("EXIT_CODE",),
        ("8080/tcp",),
    )
    with pytest.raises(NoSuchPlatformError, match="has no image for linux/s390x; it has some for linux/amd"):
        inspector(plain).describe(reference, Platform.parse("linux/s390x"))


def test_what_is_not_there_is_a_failure_with_its_reason(plain: Door) -> None:
    with pytest.raises(RegistryFailure) as caught:
        inspector(plain).inspect(plain.reference("nowhere"))
    assert caught.value.reason is Reason.IMAGE_NOT_FOUND


# -- the command


def test_raw_is_the_registrys_bytes(plain: Door, tmp_path: Path) -> None:
    image = build_image(ImageRecipe())
    reference = str(plain.push(image, "raw"))
    assert inspect(reference, "--plain-http", "--raw", home=tmp_path) == (0, image.index.content, "")
    child = image.child("linux/riscv64").manifest.content
    arguments = (reference, "--plain-http", "--raw", "--platform", "linux/riscv64")
    assert inspect(*arguments, home=tmp_path) == (0, child, "")


def test_the_forms_of_output_tell_the_same(plain: Door, tmp_path: Path) -> None:
    image = build_image(ImageRecipe())
    reference = plain.push(image, "forms")
    code, text, errors = inspect(str(reference), "--plain-http", "-o", "json", home=tmp_path)
    document = json.loads(text)
    assert (code, errors, document["digest"]) == (0, "", image.index.digest)
    assert [entry["digest"] for entry in document["entries"]] == [
        child.manifest.digest for child in image.children
    ]
    _, text, _ = inspect(str(reference), "--plain-http", "-o", "yaml", home=tmp_path)
    assert yaml.safe_load(text) == document
    _, text, _ = inspect(str(reference), "--plain-http", "-o", "name", home=tmp_path)
    assert text.decode().split() == [
        f"{reference.repository}@{child.manifest.digest}" for child in image.children
    ]
    _, text, _ = inspect(str(reference), "--plain-http", home=tmp_path)
    page = text.decode()
    assert [child.platform for child in image.children if f"\n{child.platform}\n" not in page] == []
    _, text, _ = inspect(str(reference), "--plain-http", "--platform", "linux/arm64", home=tmp_path)
    assert text.decode().startswith(f"{reference} for linux/arm64\n")


def test_no_registry_is_spoken_to_without_tls_unless_that_is_asked_for(plain: Door, tmp_path: Path) -> None:
    reference = str(plain.push(build_image(ImageRecipe()), "silent"))
    code, text, errors = inspect(reference, home=tmp_path)
    assert (code, text) == (1, b"")
    assert "does not speak TLS; if it is meant to be plain HTTP, say so" in errors
    assert "--plain-http" in errors


def test_credentials_and_cas_are_where_podman_has_them_or_where_one_says(
    doors: DoorMaker, tmp_path: Path
) -> None:
    door = doors.make(Access.BASIC)
    image = build_image(ImageRecipe())
    reference = str(door.push(image, "private"))
    certificates = ("--cert-dir", str(door.certificates))
    assert door.auth_file is not None
    by_option = inspect(
        reference, "-o", "name", *certificates, "--authfile", str(door.auth_file), home=tmp_path
    )
    by_variable = inspect(
        reference, "-o", "name", *certificates, home=tmp_path, REGISTRY_AUTH_FILE=str(door.auth_file)
    )
    place = tmp_path / ".config/containers/auth.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(door.auth_file.read_bytes())
    by_default = inspect(reference, "-o", "name", *certificates, home=tmp_path)
    assert [each[0] for each in (by_option, by_variable, by_default)] == [0, 0, 0]
    wrong = with_password(door, tmp_path / "wrong.json", "wrong")
    code, _, errors = inspect(reference, *certificates, "--authfile", str(wrong.auth_file), home=tmp_path)
    assert (code, "with the credentials that are configured for it" in errors) == (1, True)
    code, _, errors = inspect(reference, "--cert-dir", str(tmp_path), home=tmp_path)
    assert (code, f"put its CA's certificate into {tmp_path}/{door.address}/ca.crt" in errors) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("hello",), "'hello' does not say which registry holds it"),
        (("registry.example/a:1", "--platform", "arm"), "--platform: 'arm' is no platform"),
        (("registry.example/a:1", "--raw", "-o", "json"), "--raw prints the registry's own bytes"),
        (("registry.example/a:1", "--authfile", "/none.json"), "credentials: /none.json cannot be read"),
    ],
)
def test_wrong_input_is_exit_code_2_before_anybody_is_asked(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, text, errors = inspect(*arguments, home=tmp_path)
    assert (code, text) == (2, b"")
    assert errors.startswith(f"polyfleet: {message}")


def test_an_image_by_digest_needs_no_tag(plain: Door, tmp_path: Path) -> None:
    image = build_image(ImageRecipe())
    reference = plain.push(image, "pinned")
    pinned = ImageReference(repository=reference.repository, digest=image.index.digest)
    code, text, _ = inspect(str(pinned), "--plain-http", "--raw", home=tmp_path)
    assert (code, text) == (0, image.index.content)
