"""What every command that asks the controller starts with."""

from datetime import UTC, datetime
from typing import Final

import typer

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_shared.names import InvalidNameError, check_name

GROUP: Final = "polyfleet.io"


def connect(ctx: typer.Context) -> Client:
    """A client of the controller that the global option names."""
    return Client(ctx.find_root().obj)


def utc_now() -> datetime:
    """This machine's clock, which ages are shown by."""
    return datetime.now(UTC)


def name_device(name: str) -> str:
    """A device as `-o name` writes it."""
    return f"device.{GROUP}/{name}"


def name_workload(namespace: str, name: str) -> str:
    """A workload as `-o name` writes it; the default namespace is not said."""
    place = name if namespace == DEFAULT_NAMESPACE else f"{namespace}/{name}"
    return f"workload.{GROUP}/{place}"


def name_rollout(namespace: str, name: str, number: int) -> str:
    """A rollout as `-o name` writes it."""
    place = name if namespace == DEFAULT_NAMESPACE else f"{namespace}/{name}"
    return f"rollout.{GROUP}/{place}/{number}"


def device_path(name: str) -> str:
    """Where the API has a device; raises CommandError for what is no name."""
    return f"/v1/devices/{_check('device name', name)}"


def workload_path(namespace: str, name: str) -> str:
    """Where the API has a workload; raises CommandError for what is no name."""
    return f"/v1/workloads/{_check('namespace', namespace)}/{_check('workload name', name)}"


def _check(kind: str, name: str) -> str:
    try:
        return check_name(kind, name)
    except InvalidNameError as error:
        raise CommandError(str(error), ExitCode.INPUT) from None
