"""Why manifests of a command are not applied."""

from collections.abc import Sequence
from typing import Final

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.conflicts import CONFLICT, explain_conflict
from polyfleet_controller.cli.failures import CommandError
from polyfleet_controller.cli.image_check_page import draw_refusal
from polyfleet_controller.cli.manifests import ManifestDocument
from polyfleet_controller.cli.output import draw_message
from polyfleet_controller.cli.session import name_workload
from polyfleet_controller.services.views import ImageCheck

_UNCOVERED: Final = "devices_uncovered"


def explain_refusal(client: Client, manifest: ManifestDocument, error: RefusedError) -> CommandError:
    """The same refusal, told with the manifest's file."""
    return CommandError(_explain(client, manifest, error), error.exit_code)


def combine(failures: Sequence[CommandError]) -> CommandError:
    """All of them as one."""
    return CommandError("\n".join(map(str, failures)), max(failure.exit_code for failure in failures))


def _explain(client: Client, manifest: ManifestDocument, error: RefusedError) -> str:
    if error.code == CONFLICT:
        return f"{manifest.file}: {explain_conflict(manifest.manifest, error)}"
    if error.problems:
        return manifest.describe(error.problems)
    if error.code == _UNCOVERED and "preflight" in error.document:
        metadata = manifest.manifest.metadata
        called = name_workload(metadata.namespace, metadata.name)
        check = client.read(ImageCheck, error.document["preflight"])
        return f"{manifest.file}: {called} refused, nothing was changed\n{draw_message(draw_refusal(check))}"
    return f"{manifest.file}: {error}"
