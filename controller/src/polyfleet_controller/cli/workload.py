"""`polyfleet workload`."""

from typing import Annotated, Final, TypeAlias

import typer

from polyfleet_controller.cli.layout import styled
from polyfleet_controller.cli.output import OutputFormat, OutputOption, show
from polyfleet_controller.cli.session import connect, name_workload, utc_now, workload_path
from polyfleet_controller.cli.teaching import CONTEXT_SETTINGS, teach
from polyfleet_controller.cli.why import explain_workload
from polyfleet_controller.cli.workload_edit import edit_workload
from polyfleet_controller.cli.workload_page import draw_releases, draw_workload, draw_workload_list
from polyfleet_controller.cli.workload_reading import read_workload
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_controller.services.views import ReleaseView, WorkloadView

NameArgument: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="The workload's name.")]
NamespaceOption: TypeAlias = Annotated[
    str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="The workload's namespace.")
]

app: Final = typer.Typer(
    help=teach(
        "Workloads: what shall run, as `polyfleet apply` was told, and on which devices it does.",
        (
            ("polyfleet workload list", "one line each"),
            ("polyfleet workload show hello", "one on all of its devices"),
            ("polyfleet workload edit hello", "change one in your editor"),
            ("polyfleet workload delete hello", "stop and remove it everywhere"),
        ),
    ),
    context_settings=CONTEXT_SETTINGS,
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
)


@app.command(
    "list",
    help=teach(
        "List the workloads of all namespaces.",
        (("polyfleet workload list", ""), ("polyfleet workload list -o json", "exact, for programs")),
        "RUNNING counts the devices that prove the newest release, of all that are not HELD; and those that "
        "prove an earlier one, which a rollout has left them on until now.",
    ),
)
def list_workloads(ctx: typer.Context, output: OutputOption = OutputFormat.TABLE) -> None:
    with connect(ctx) as client:
        items = list(client.items("/v1/workloads"))
        workloads = [client.read(WorkloadView, item) for item in items]
    show(
        output,
        document={"items": items},
        names=(name_workload(workload.namespace, workload.name) for workload in workloads),
        page=lambda: draw_workload_list(workloads, utc_now()),
        wraps=False,
    )


@app.command(
    "show",
    help=teach(
        "Show all about a workload. What its release pins for each platform, and how each device stands.",
        (
            ("polyfleet workload show hello", ""),
            ("polyfleet workload show hello -n shop -o yaml", "of another namespace"),
        ),
    ),
)
def show_workload(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        document, detail = read_workload(client, namespace, name)
    show(
        output,
        document=document,
        names=(name_workload(namespace, name),),
        page=lambda: draw_workload(detail, utc_now()),
    )


app.command(
    "edit",
    help=teach(
        "Edit a workload's manifest in your editor (VISUAL, else EDITOR), and apply it when that ends.",
        (("polyfleet workload edit hello", ""), ("EDITOR=nano polyfleet workload edit hello -n shop", "")),
        "If somebody else has changed the workload meanwhile, nothing is changed. Whatever keeps your text "
        "from being applied, it is kept in a file.",
    ),
)(edit_workload)


app.command(
    "why",
    help=teach(
        "Say why a workload is where it is, and what keeps it off the other devices.",
        (
            ("polyfleet workload why hello", "who has it, and who is refused by which filter"),
            (
                "polyfleet workload why hello --device edge-7",
                "the first filter that refuses one, with figures",
            ),
        ),
        "It is decided anew as you ask, by the same rules that place workloads.",
    ),
)(explain_workload)


@app.command(
    "releases",
    help=teach(
        "List a workload's releases, newest first.",
        (("polyfleet workload releases hello", ""),),
    ),
)
def list_releases(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        items = list(client.items(f"{workload_path(namespace, name)}/releases"))
        releases = [client.read(ReleaseView, item) for item in items]
    show(
        output,
        document={"items": items},
        names=(f"{name_workload(namespace, name)}/releases/{release.release}" for release in releases),
        page=lambda: draw_releases(releases, utc_now()),
    )


@app.command(
    "delete",
    help=teach(
        "Delete a workload. Every device stops it and removes it.",
        (("polyfleet workload delete hello", ""), ("polyfleet workload delete hello -n shop", "")),
    ),
)
def delete_workload(
    ctx: typer.Context,
    name: NameArgument,
    *,
    namespace: NamespaceOption = DEFAULT_NAMESPACE,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    with connect(ctx) as client:
        client.delete(workload_path(namespace, name))
    called = name_workload(namespace, name)
    show(
        output,
        document={"namespace": namespace, "name": name, "change": "deleted"},
        names=(called,),
        page=lambda: styled(f"{called} deleted"),
        wraps=False,
    )
