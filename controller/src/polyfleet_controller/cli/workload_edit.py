"""`polyfleet workload edit`: nobody's change is lost, and no text that somebody has written."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.conflicts import CONFLICT, explain_conflict, put_manifest
from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.image_check_page import draw_applied
from polyfleet_controller.cli.layout import styled
from polyfleet_controller.cli.manifests import read_manifests
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show, write_yaml
from polyfleet_controller.cli.session import connect, name_workload, utc_now
from polyfleet_controller.cli.workload_reading import read_manifest
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, WorkloadManifest
from polyfleet_controller.domain.manifest_writing import write_manifest
from polyfleet_controller.services.views import Applied
from polyfleet_shared.json_text import JsonValue

_EDITOR: Final = "vi"


def edit_workload(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")],
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
    ] = DEFAULT_NAMESPACE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    called = name_workload(namespace, name)
    with connect(ctx) as client:
        seen = read_manifest(client, namespace, name)
        file = _write(seen)
        try:
            edited = _edit(file, seen)
            document = None if edited is None else put_manifest(client, edited)
        except RefusedError as error:
            raise _keep(file, _explain(seen, error), error.exit_code) from None
        except CommandError as error:
            raise _keep(file, str(error), error.exit_code) from None
        file.unlink()
        _show(client, called, document, output)


def _write(manifest: WorkloadManifest) -> Path:
    """Readable by its owner alone."""
    prefix = f"polyfleet-{manifest.metadata.name}-"
    with tempfile.NamedTemporaryFile("w", prefix=prefix, suffix=".yaml", delete=False) as file:
        file.write(write_yaml(write_manifest(manifest)))
    return Path(file.name)


def _edit(file: Path, seen: WorkloadManifest) -> WorkloadManifest | None:
    """The manifest as it is when the editor has ended; None where it is as it was."""
    _run_editor(file)
    documents = read_manifests([str(file)])
    edited = documents[0].manifest
    places = [(each.manifest.metadata.namespace, each.manifest.metadata.name) for each in documents]
    if places != [(seen.metadata.namespace, seen.metadata.name)]:
        raise CommandError(
            "the text is of another workload, or of several: a workload keeps its name and namespace",
            ExitCode.INPUT,
        )
    if edited.at_version(None) == seen.at_version(None):
        return None
    return edited.at_version(edited.metadata.resource_version or seen.metadata.resource_version)


def _run_editor(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _EDITOR
    try:
        ended = subprocess.run([*shlex.split(editor), str(file)], check=False)
    except (OSError, ValueError) as error:
        raise CommandError(f"the editor {editor!r} cannot be run ({error}): set EDITOR to another") from None
    if ended.returncode:
        raise CommandError(f"the editor {editor!r} ended with {ended.returncode}: nothing is changed")


def _explain(seen: WorkloadManifest, error: RefusedError) -> str:
    if error.code != CONFLICT:
        return "\n".join(map(str, error.problems)) or str(error)
    return explain_conflict(seen, error)


def _keep(file: Path, message: str, exit_code: ExitCode) -> CommandError:
    return CommandError(
        f"{message}\nYour text is kept in {file}, for `polyfleet apply -f {file}`",
        exit_code,
    )


def _show(client: Client, called: str, document: JsonValue, output: OutputFormat) -> None:
    if document is None:
        show(
            output,
            document={"change": "unchanged"},
            names=(called,),
            page=lambda: styled(f"{called} unchanged"),
        )
        return
    applied = client.read(Applied, document)
    show(
        output,
        document=document,
        names=(called,),
        page=lambda: draw_applied(applied, utc_now()),
        wraps=False,
    )
