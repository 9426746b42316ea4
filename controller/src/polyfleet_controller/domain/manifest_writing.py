"""Manifests as an operator would write them: what means the same is written the same."""

from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue


def write_manifest(manifest: WorkloadManifest) -> dict[str, JsonValue]:
    """The document that `read_manifest` reads as this manifest, without what holds its default."""
    return {
        "apiVersion": manifest.api_version,
        "kind": manifest.kind,
        **encode(manifest, omit_defaults=True),
    }
