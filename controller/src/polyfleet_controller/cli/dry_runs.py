"""`polyfleet apply --dry-run`."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from rich.console import Group

from polyfleet_controller.cli.apply_failures import combine, explain_refusal
from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.conflicts import put_manifest
from polyfleet_controller.cli.dry_run_page import draw_dry_run
from polyfleet_controller.cli.failures import CommandError, tell
from polyfleet_controller.cli.manifests import ManifestDocument
from polyfleet_controller.cli.output import OutputFormat, show
from polyfleet_controller.cli.session import name_workload, utc_now
from polyfleet_controller.cli.words import explain_condition
from polyfleet_controller.services.views import DryRun
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue

# The controller asks the registry for one manifest after the other.
_SECONDS_EACH: Final = 30.0

# A dry run, or why there is none.
_Answer: TypeAlias = "JsonValue | RefusedError"


def try_out(client: Client, manifests: Sequence[ManifestDocument], output: OutputFormat) -> None:
    """Show what they would change, each on the state that those before it would leave.

    Raises:
        CommandError: with why some would be refused; the others are shown.
    """
    answers: list[JsonValue] = []
    failures: list[CommandError] = []
    for manifest, answer in zip(manifests, _ask(client, manifests), strict=True):
        if isinstance(answer, RefusedError):
            failures.append(explain_refusal(client, manifest, answer))
        else:
            answers.append(answer)
    found = [client.read(DryRun, answer) for answer in answers]
    now = utc_now()
    if found:
        show(
            output,
            document=answers[0] if len(answers) == 1 else {"items": answers},
            names=(name_workload(each.namespace, each.name) for each in found),
            page=lambda: Group(*(draw_dry_run(each, now) for each in found)),
            wraps=False,
        )
    for each in found:
        if each.unanswered is not None:
            called = name_workload(each.namespace, each.name)
            tell(f"{called}: what its image is now is not known: {explain_condition(each.unanswered)}")
    if failures:
        raise combine(failures)


def _ask(client: Client, manifests: Sequence[ManifestDocument]) -> list[_Answer]:
    if len(manifests) == 1:
        try:
            return [put_manifest(client, manifests[0].manifest, {"dryRun": "true"})]
        except RefusedError as error:
            return [error]
    documents: list[JsonValue] = [dict(encode(each.manifest)) for each in manifests]
    answer = client.post("/v1/dry-runs", {"manifests": documents}, timeout=_SECONDS_EACH * len(documents))
    items = answer.get("items") if isinstance(answer, dict) else None
    return [_read(client, item) for item in (items if isinstance(items, list) else ())]


def _read(client: Client, item: JsonValue) -> _Answer:
    parts = item if isinstance(item, dict) else {}
    if "problem" not in parts:
        return parts.get("dryRun")
    problem = client.read_problem(parts["problem"])
    if not isinstance(problem, RefusedError):
        raise problem
    return problem
