"""A workload with all of its devices, which the API gives page by page, and its manifest."""

import json
from dataclasses import replace

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.failures import CommandError
from polyfleet_controller.cli.session import workload_path
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_controller.domain.manifest import read_manifest as decode_manifest
from polyfleet_controller.services.views import WorkloadDetail
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import DecodeError, JsonValue

_PAGE_LIMIT = 500


def read_workload(client: Client, namespace: str, name: str) -> tuple[JsonValue, WorkloadDetail]:
    """The API's answer and the same as a value; of several pages, the first with the devices of all."""
    path = workload_path(namespace, name)
    document = client.get(path, {"limit": _PAGE_LIMIT})
    detail = page = client.read(WorkloadDetail, document)
    while page.next_cursor is not None:
        page = client.read(
            WorkloadDetail, client.get(path, {"limit": _PAGE_LIMIT, "cursor": page.next_cursor})
        )
        detail = replace(detail, placements=(*detail.placements, *page.placements), next_cursor=None)
    return (document if page is detail else dict(encode(detail))), detail


def read_manifest(client: Client, namespace: str, name: str) -> WorkloadManifest:
    """A workload's manifest, with the resourceVersion of the state that it is in."""
    document = client.get(workload_path(namespace, name), {"limit": 1})
    try:
        return decode_manifest(json.loads(client.read(WorkloadDetail, document).manifest))
    except DecodeError as error:
        raise CommandError(
            f"the workload's manifest has what this program does not know: {error}; "
            "compare the versions with `polyfleet version`"
        ) from None
