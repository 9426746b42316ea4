"""A workload with all of its devices: the API gives them page by page."""

from dataclasses import replace

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.session import workload_path
from polyfleet_controller.services.views import WorkloadDetail
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue

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
