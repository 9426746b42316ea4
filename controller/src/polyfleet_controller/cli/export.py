"""`polyfleet export`."""

import sys
from enum import StrEnum
from typing import Annotated, Final, assert_never

import typer

from polyfleet_controller.cli.failures import tell
from polyfleet_controller.cli.output import write_yaml
from polyfleet_controller.cli.session import connect, name_workload
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.cli.workload import NameArgument, NamespaceOption
from polyfleet_controller.cli.workload_reading import read_manifest
from polyfleet_controller.domain.kubernetes.export import export_kubernetes
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, WorkloadManifest
from polyfleet_controller.domain.manifest_writing import write_manifest
from polyfleet_controller.domain.quadlet import export_quadlet
from polyfleet_shared.json_text import Problem

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


class ExportFormat(StrEnum):
    """What is written."""

    WORKLOAD = "workload"
    KUBERNETES = "k8s"
    QUADLET = "quadlet"


@app.command(
    help=teach(
        "Write a workload as its own manifest, as Kubernetes YAML or as a unit of Podman's Quadlet.",
        (
            ("polyfleet export hello -o workload > hello.yaml", "to edit it, and to apply it again"),
            ("polyfleet export hello -o k8s", "a Deployment, or a DaemonSet if it runs everywhere"),
            ("polyfleet export hello -n shop -o quadlet > hello.container", "a unit for Podman 4.4 or newer"),
        ),
        "The manifest has the workload's resourceVersion: applied again, it is refused if somebody else has "
        "changed the workload meanwhile.",
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
        manifest = read_manifest(client, namespace, name)
    text, unsaid = _write(manifest, output)
    sys.stdout.write(text)
    for problem in unsaid:
        tell(f"{name_workload(namespace, name)}: not said: {problem}")


def _write(manifest: WorkloadManifest, form: ExportFormat) -> tuple[str, tuple[Problem, ...]]:
    match form:
        case ExportFormat.KUBERNETES:
            document, unsaid = export_kubernetes(manifest)
            return write_yaml(document), unsaid
        case ExportFormat.WORKLOAD:
            return write_yaml(write_manifest(manifest)), ()
        case ExportFormat.QUADLET:
            return export_quadlet(manifest)
        case _:
            assert_never(form)
