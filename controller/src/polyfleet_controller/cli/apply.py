"""`polyfleet apply`."""

import re
from typing import Annotated, Final

import typer

from polyfleet_controller.cli.client import Client, RefusedError
from polyfleet_controller.cli.failures import CommandError, ExitCode, tell
from polyfleet_controller.cli.layout import join_lines, styled
from polyfleet_controller.cli.manifests import ManifestDocument, read_manifests
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, name_workload, workload_path
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.cli.waiting import wait_until_proven
from polyfleet_controller.cli.words import explain_condition
from polyfleet_controller.services.views import Applied, Change, WorkloadView
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue

_DURATION: Final = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>s|m|h)?")
_SECONDS: Final = {None: 1, "s": 1, "m": 60, "h": 3600}
_WORDS: Final = {Change.CREATED: "created", Change.CHANGED: "configured", Change.UNCHANGED: "unchanged"}

app: Final = typer.Typer(context_settings=CONTEXT_SETTINGS, rich_markup_mode=None, add_completion=False)


@app.command(
    help=teach(
        "Create or change workloads from manifests. The same manifest again changes nothing.",
        (
            ("polyfleet apply -f hello.yaml", "one file, of one or several documents"),
            ("polyfleet apply -f manifests/", "every .yaml, .yml and .json file in it"),
            ("cat hello.yaml | polyfleet apply -f -", "from stdin"),
            ("polyfleet apply -f hello.yaml --wait --timeout 10m", "until every device proves it"),
        ),
        "All manifests are read first: one mistake, and nothing is applied.",
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
        typer.Option("--wait", help="Wait until every covered device proves that it runs it."),
    ] = False,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long to wait: 90s, 5m or 1h.")] = "5m",
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    timeout_seconds = _parse_duration(timeout)
    manifests = read_manifests(files)
    with connect(ctx) as client:
        answers, failures = _apply_all(client, manifests)
        applied = [client.read(Applied, answer) for answer in answers]
        if applied:
            _show(applied, answers, output)
        for each in applied:
            if each.workload.condition is not None:
                tell(f"{_name(each.workload)}: no release yet: {explain_condition(each.workload.condition)}")
        if failures:
            raise _combine(failures)
        if wait:
            wait_until_proven(client, [each.workload for each in applied], timeout_seconds)


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
        metadata = each.manifest.metadata
        try:
            path = workload_path(metadata.namespace, metadata.name)
            answers.append(client.put(path, dict(encode(each.manifest))))
        except RefusedError as error:
            message = each.describe(error.problems) if error.problems else f"{each.file}: {error}"
            failures.append(CommandError(message, error.exit_code))
    return answers, failures


def _show(applied: list[Applied], answers: list[JsonValue], output: OutputFormat) -> None:
    lines = [f"{_name(each.workload)} {_WORDS[each.change]}" for each in applied]
    show(
        output,
        document=answers[0] if len(answers) == 1 else {"items": answers},
        names=(_name(each.workload) for each in applied),
        page=lambda: join_lines(map(styled, lines)),
        wraps=False,
    )


def _name(workload: WorkloadView) -> str:
    return name_workload(workload.namespace, workload.name)


def _combine(failures: list[CommandError]) -> CommandError:
    return CommandError("\n".join(map(str, failures)), max(failure.exit_code for failure in failures))
