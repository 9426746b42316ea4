"""An index with everything odd in it, as `polyfleet image inspect` finds it."""

from typing import Any, Final

from polyfleet_controller.domain.inspection import (
    DocumentKind,
    ImageDetails,
    InspectedEntry,
    Inspection,
    StatedLayer,
    StatedPlatform,
)

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+zstd"


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def entry(letter: str, **fields: Any) -> InspectedEntry:  # noqa: ANN401 - the fields' own types
    return InspectedEntry(
        **{"kind": DocumentKind.IMAGE, "digest": digest(letter), "media_type": MANIFEST, **fields}
    )


AMD64: Final = StatedPlatform(os="linux", architecture="amd64")
ARM: Final = StatedPlatform(os="linux", architecture="arm", variant="v7")
WINDOWS: Final = StatedPlatform(os="windows", architecture="amd64", os_version="10.0.20348.1006")
LAYERS: Final = (
    StatedLayer(digest=digest("a"), size=12_900_000, media_type=LAYER),
    StatedLayer(digest=digest("b"), size=101, media_type=LAYER),
)

ODD: Final = Inspection(
    name="registry.example/hello:1",
    digest=digest("0"),
    kind=DocumentKind.INDEX,
    media_type=INDEX,
    annotations={"org.opencontainers.image.version": "1"},
    entries=(
        entry("1", platform=AMD64, config_platform=AMD64, config=digest("e"), layers=LAYERS),
        entry(
            "2",
            kind=DocumentKind.ATTESTATION,
            platform=StatedPlatform(os="unknown", architecture="unknown"),
            attests=digest("1"),
            predicates=("https://slsa.dev/provenance/v0.2",),
        ),
        entry("3", kind=DocumentKind.INDEX, media_type=INDEX),
        entry("4", within=digest("3"), platform=ARM, config_platform=AMD64, layers=LAYERS[:1]),
        entry("5", within=digest("3"), platform=AMD64, config_platform=AMD64, repeats=True),
        entry("6", config_platform=StatedPlatform(os="linux", architecture="arm64", variant="v8")),
        entry("7", platform=WINDOWS, media_type="", annotations={"note\x1b": "bell\x07"}),
        entry(
            "8",
            kind=DocumentKind.ARTIFACT,
            artifact_type="application/vnd.cncf.helm.config.v1+json",
            attests=digest("f"),
        ),
        entry(
            "9",
            kind=DocumentKind.UNREADABLE,
            platform=ARM,
            problem="registry.example has no manifest in the repository hello",
        ),
    ),
)
EMPTY: Final = Inspection(
    name="registry.example/none:1", digest=digest("0"), kind=DocumentKind.INDEX, media_type=""
)
SINGLE: Final = Inspection(
    name="registry.example/one:1",
    digest=digest("1"),
    kind=DocumentKind.IMAGE,
    media_type=MANIFEST,
    annotations={"made": "here"},
    entries=(entry("1", config_platform=AMD64, layers=LAYERS, annotations={"made": "here"}),),
)
DETAILS: Final = ImageDetails(
    entry=ODD.entries[0],
    created="2026-11-27T02:00:00Z",
    os_version="10.0",
    user="10001",
    working_directory="/srv",
    entrypoint=("/server", "--listen", "a b"),
    command=("serve",),
    environment_names=("PATH", "TOKEN"),
    ports=("8080/tcp",),
    labels={"org.opencontainers.image.source": "https://git.example/hello"},
)
