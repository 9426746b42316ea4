"""`rollout history` and `rollout undo`: what was released by whom, and the way back."""

import difflib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.failures import CommandError
from polyfleet_controller.cli.humanized import humanize_age
from polyfleet_controller.cli.image_check_page import draw_applied
from polyfleet_controller.cli.layout import (
    BAD,
    GOOD,
    HEADING,
    WEAK,
    make_digests,
    make_facts,
    make_section,
    make_table,
    styled,
)
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show, write_yaml
from polyfleet_controller.cli.session import connect, name_workload, utc_now, workload_path
from polyfleet_controller.cli.words import NOTHING, say_since
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_controller.services.views import Applied, ReleaseDetail, ReleaseStatus, ReleaseView

_STATUS = {
    ReleaseStatus.CURRENT: GOOD,
    ReleaseStatus.ROLLING_OUT: WEAK,
    ReleaseStatus.PARTIAL: BAD,
    ReleaseStatus.ROLLED_BACK: BAD,
}


def show_history(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")],
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
    ] = DEFAULT_NAMESPACE,
    revision: Annotated[
        int | None,
        typer.Option("--revision", metavar="N", min=1, help="One of them, with what it changed."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    called = name_workload(namespace, name)
    with connect(ctx) as client:
        path = f"{workload_path(namespace, name)}/releases"
        if revision is not None:
            document = client.get(f"{path}/{revision}")
            detail = client.read(ReleaseDetail, document)
            show(
                output,
                document=document,
                names=(f"{called}/releases/{detail.release.release}",),
                page=lambda: draw_release_detail(detail, utc_now()),
            )
            return
        items = list(client.items(path))
        releases = [client.read(ReleaseView, item) for item in items]
    show(
        output,
        document={"items": items},
        names=(f"{called}/releases/{release.release}" for release in releases),
        page=lambda: draw_history(releases, utc_now()),
        wraps=False,
    )


def undo(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")],
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
    ] = DEFAULT_NAMESPACE,
    to_revision: Annotated[
        int | None,
        typer.Option("--to-revision", metavar="N", min=1, help="Which, as `rollout history` numbers them."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        path = f"{workload_path(namespace, name)}/releases"
        revision = _find_last_good(client, path) if to_revision is None else to_revision
        document = client.post(f"{path}/{revision}/restore")
        applied = client.read(Applied, document)
    show(
        output,
        document=document,
        names=(name_workload(namespace, name),),
        page=lambda: Group(draw_applied(applied, utc_now()), _say_restored(applied, revision)),
        wraps=False,
    )


def draw_history(releases: Sequence[ReleaseView], now: datetime) -> RenderableType:
    """One line for each release."""
    if not releases:
        return styled("no releases")
    return make_table(
        ("REVISION", "RELEASE", "STATUS", "BY", "CUT", "IMAGE"),
        (
            (
                str(release.revision),
                release.release,
                _say_status(release),
                release.created_by or NOTHING,
                humanize_age(release.created_at, now),
                release.image,
            )
            for release in releases
        ),
        wrapped=("RELEASE", "BY", "IMAGE"),
    )


def draw_release_detail(detail: ReleaseDetail, now: datetime) -> RenderableType:
    """One release, and how its manifest differs from that of the one before it."""
    release = detail.release
    facts: list[tuple[str, str | Text]] = [
        ("revision", str(release.revision)),
        ("status", _say_status(release)),
        ("cut", f"{say_since(release.created_at, now)} by {release.created_by or 'nobody that was kept'}"),
        ("image", release.image),
    ]
    heading = f"Changes since {detail.previous}" if detail.previous else "Its manifest, the first"
    lines = [*_list_changes(detail)] or [
        styled("none: an image had changed under its tag, or it was made anew")
    ]
    return Group(
        styled(release.release, HEADING),
        make_facts(facts),
        make_digests((("index", release.index),)),
        make_section(heading, *lines),
    )


def _say_status(release: ReleaseView) -> Text:
    return styled(release.status.replace("_", " "), _STATUS.get(release.status, ""))


def _list_changes(detail: ReleaseDetail) -> Iterator[Text]:
    """A unified diff, without the file names of one."""
    before = "" if detail.previous_manifest is None else write_yaml(json.loads(detail.previous_manifest))
    after = write_yaml(json.loads(detail.manifest))
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
    colours = {"+": GOOD, "-": BAD, "@": WEAK}
    for position, line in enumerate(lines):
        if position > 1:
            yield styled(line, colours.get(line[:1], ""))


def _find_last_good(client: Client, path: str) -> int:
    """The newest release before the newest that all devices had."""
    releases = [client.read(ReleaseView, item) for item in client.items(path)]
    for release in releases[1:]:
        if release.status is ReleaseStatus.ROLLED_OUT:
            return release.revision
    raise CommandError(
        "there is no earlier release that all devices had: name one with --to-revision, as "
        "`polyfleet rollout history` numbers them"
    )


def _say_restored(applied: Applied, revision: int) -> Text:
    release = applied.workload.release or NOTHING
    if applied.change.value == "unchanged":
        return styled(f"revision {revision} is what release {release} is already: nothing was changed")
    return styled(f"revision {revision} is restored as release {release}")
