"""`polyfleet export`."""

import json
import sys
from enum import StrEnum
from typing import Annotated, Final, assert_never

import typer
import yaml

from polyfleet_controller.cli.failures import CommandError, tell
from polyfleet_controller.cli.session import connect, name_workload
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.cli.workload import NameArgument, NamespaceOption
from polyfleet_controller.cli.workload_reading import read_workload
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, WorkloadManifest, read_manifest
from polyfleet_controller.domain.quadlet import export_quadlet
from polyfleet_shared.json_text import DecodeError, Problem

_UNBOUNDED: Final = 1_000_000

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


class ExportFormat(StrEnum):
    """What is written."""

    KUBERNETES = "k8s"
    QUADLET = "quadlet"


@app.command(
    help=teach(
        "Write a workload as Kubernetes YAML or as a unit of Podman's Quadlet.",
        (
            ("polyfleet export hello -o k8s", "a Deployment, or a DaemonSet if it runs everywhere"),
            ("polyfleet export hello -n shop -o quadlet > hello.container", "a unit for Podman 4.4 or newer"),
        ),
        "What the format cannot say is told on stderr, by its path in the workload's manifest.",
    ),
)
def export(
    ctx: typer.Context,
    name: NameArgument,
    *,
    output: Annotated[ExportFormat, typer.Option("--output", "-o", help="What to write.")],
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
) -> None:
    with connect(ctx) as client:
        _, detail = read_workload(client, namespace, name)
    text, unsaid = _write(_read(detail.manifest), output)
    sys.stdout.write(text)
    for problem in unsaid:
        tell(f"{name_workload(namespace, name)}: not said: {problem}")


def _read(manifest: str) -> WorkloadManifest:
    try:
        return read_manifest(json.loads(manifest))
    except DecodeError as error:
        raise CommandError(
            f"the workload's manifest has what this program does not know: {error}; "
            "compare the versions with `polyfleet version`"
        ) from None


def _write(manifest: WorkloadManifest, form: ExportFormat) -> tuple[str, tuple[Problem, ...]]:
    match form:
        case ExportFormat.KUBERNETES:
            document, unsaid = export_kubernetes(manifest)
            return yaml.safe_dump(document, sort_keys=False, width=_UNBOUNDED), unsaid
        case ExportFormat.QUADLET:
            return export_quadlet(manifest)
        case _:
            assert_never(form)
