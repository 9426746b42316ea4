"""Manifests as an operator would write them: what means the same is written the same."""

from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.codec import encode

# Whose default the codec writes: a mapping is no constant.
_MAPPINGS: Final = ((("metadata",), "labels"), (("spec", "template", "spec"), "nodeSelector"))


def write_manifest(manifest: WorkloadManifest) -> JsonObject:
    """The document that `read_manifest` reads as this manifest, without what holds its default."""
    document: JsonObject = {
        "apiVersion": manifest.api_version,
        "kind": manifest.kind,
        **encode(manifest, omit_defaults=True),
    }
    for path, field in _MAPPINGS:
        mapping = object_at(document, *path)
        if mapping.get(field) == {}:
            del mapping[field]
    return document
