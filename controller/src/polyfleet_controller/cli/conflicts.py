"""Manifests of a state that the workload is not in any more."""

from collections.abc import Mapping
from typing import Final

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.session import name_workload, workload_path
from polyfleet_controller.cli.workload_reading import read_manifest
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue

CONFLICT: Final = "conflict"

_VERSION: Final = "resourceVersion"


def put_manifest(
    client: Client, manifest: WorkloadManifest, query: Mapping[str, str] | None = None
) -> JsonValue:
    """Send a manifest. Who asks for what is there already loses nobody's change, whatever state he has seen.

    Raises:
        RefusedError: with CONFLICT, if the workload has another manifest by now.
    """
    metadata = manifest.metadata
    path = workload_path(metadata.namespace, metadata.name)
    try:
        return client.put(path, dict(encode(manifest)), query)
    except RefusedError as error:
        if error.code != CONFLICT or error.document.get(_VERSION) is None:
            raise
        current = read_manifest(client, metadata.namespace, metadata.name)
        if current.at_version(None) != manifest.at_version(None):
            raise
    return client.put(path, dict(encode(current)), query)


def explain_conflict(manifest: WorkloadManifest, error: RefusedError) -> str:
    """What has happened to the workload meanwhile, and what to do."""
    namespace, name = manifest.metadata.namespace, manifest.metadata.name
    called = name_workload(namespace, name)
    seen, current = manifest.metadata.resource_version, error.document.get(_VERSION)
    if current is None:
        return (
            f"{called} is not changed: it was deleted since you read it (resourceVersion {seen})\n"
            "Next step: give --force to create it anew"
        )
    told = "".join(f"\n  {problem}" for problem in error.problems)
    return (
        f"{called} is not changed: since you read it (resourceVersion {seen}, now {current}) somebody has "
        f"changed it{':' if told else ''}{told}\n"
        f"Next step: read it anew, `polyfleet export {name} -n {namespace} -o workload`, and make your "
        "change there; or give --force to overwrite what others did"
    )
