"""A workload's newest rollout, as the API gives it."""

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.session import workload_path
from polyfleet_controller.services.rollout_views import RolloutDetail
from polyfleet_shared.json_text import JsonValue

NOT_FOUND = "rollout_not_found"


def read_rollout(
    client: Client, namespace: str, name: str, number: int | None = None
) -> tuple[JsonValue, RolloutDetail]:
    """The API's answer and the same as a value: the rollout of this number, else the newest."""
    path = workload_path(namespace, name)
    document = client.get(f"{path}/rollout" if number is None else f"{path}/rollouts/{number}")
    return document, client.read(RolloutDetail, document)


def find_rollout(client: Client, namespace: str, name: str) -> RolloutDetail | None:
    """The newest rollout, None where there never was one."""
    try:
        return read_rollout(client, namespace, name)[1]
    except RefusedError as error:
        if error.code != NOT_FOUND:
            raise
        return None
