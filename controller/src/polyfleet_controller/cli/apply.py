"""`polyfleet apply`."""

import re
from typing import Annotated, Final

import typer
from rich.console import Group

from polyfleet_controller.cli.apply_failures import combine, explain_refusal
from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.conflicts import put_manifest
from polyfleet_controller.cli.dry_runs import try_out
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.image_check_page import draw_applied
from polyfleet_controller.cli.manifests import ManifestDocument, read_manifests
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, name_workload, utc_now
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.cli.waiting import wait_until_proven
from polyfleet_controller.cli.words import explain_condition
from polyfleet_controller.services.views import Applied, WorkloadView
from polyfleet_shared.json_text import JsonValue

_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>s|m|h)?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600}

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


@app.command(
    help=teach(
        "Create or change workloads from manifests. The same again changes nothing, unless a tag has moved.",
        (
            ("polyfleet apply -f hello.yaml", "one file, of one or several documents"),
            ("polyfleet apply -f manifests/", "every .yaml, .yml and .json file in it"),
            ("cat hello.yaml | polyfleet apply -f -", "from stdin"),
            ("polyfleet apply -f hello.yaml --dry-run", "what it would change, and nothing is changed"),
            ("polyfleet apply -f hello.yaml --wait --timeout 10m", "until its rollout ends, for CI"),
        ),
        "A dry run tries several manifests in turn, each on the state that those before it would leave.",
        "All manifests are read first: one mistake, and nothing is applied.",
        "A manifest whose image has nothing for some device is refused, unless its spec.onUncovered is hold "
        "(such devices wait for it) or exclude (it is not for them).",
        "A manifest with a resourceVersion, as `polyfleet export -o workload` writes it, is refused if the "
        "workload was changed since then; --force overwrites what others did.",
    ),
)
def apply(
    ctx: typer.Context,
    *,
    files: Annotated[
        list[str], typer.Option("--filename", "-f", metavar="FILE|DIR|-", help="What to apply; repeatable.")
    ],
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for its rollout: until who is online proves it, or it fails."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change: devices, pulls, manifests.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Pass over resourceVersion: overwrite what others did.")
    ] = False,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait: 90s, 5m or 1h.")] = "5m",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    timeout_seconds = _parse_duration(timeout)
    if wait and dry_run:
        raise CommandError("give either --wait or --dry-run: nothing comes of a dry run", ExitCode.INPUT)
    manifests = read_manifests(files)
    if force:
        manifests = tuple(each.at_no_version() for each in manifests)
    with connect(ctx) as client:
        if dry_run:
            try_out(client, manifests, output)
            return
        answers, failures = _apply_all(client, manifests)
        applied = [client.read(Applied, answer) for answer in answers]
        if applied:
            _show(applied, answers, output)
        for each in applied:
            _tell_what_is_missing(each)
        if failures:
            raise combine(failures)
        if wait:
            wait_until_proven(client, [each.workload for each in applied], timeout_seconds)


def _tell_what_is_missing(applied: Applied) -> None:
    called = _name(applied.workload)
    if applied.workload.condition is not None:
        tell(f"{called}: no release yet: {explain_condition(applied.workload.condition)}")
    elif applied.unanswered is not None:
        tell(
            f"{called}: whether its tag has moved is not known; release {applied.workload.release} stays in "
            f"force: {explain_condition(applied.unanswered)}"
        )


def _parse_duration(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise CommandError(f"--timeout {text!r} is no duration: write 90s, 5m or 1h", ExitCode.INPUT)
    return int(match["count"]) * _SECONDS[match["unit"]]


def _apply_all(
    client: Client, manifests: tuple[ManifestDocument, ...]
) -> tuple[list[JsonValue], list[CommandError]]:
    """Each by itself: what one is refused for does not keep the others back."""
    answers: list[JsonValue] = []
    failures: list[CommandError] = []
    for each in manifests:
        try:
            answers.append(put_manifest(client, each.manifest))
        except RefusedError as error:
            failures.append(explain_refusal(client, each, error))
    return answers, failures


def _show(applied: list[Applied], answers: list[JsonValue], output: OutputFormat) -> None:
    now = utc_now()
    show(
        output,
        document=answers[0] if len(answers) == 1 else {"items": answers},
        names=(_name(each.workload) for each in applied),
        page=lambda: Group(*(draw_applied(each, now) for each in applied)),
        wraps=False,
    )


def _name(workload: WorkloadView) -> str:
    return name_workload(workload.namespace, workload.name)
