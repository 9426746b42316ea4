"""Labels and taints of several devices at once: what each came to, and why some are not changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from polyfleet_controller.cli.client import Client
from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.layout import BAD, join_lines, styled
from polyfleet_controller.cli.output import OutputFormat, show
from polyfleet_controller.cli.session import device_path, name_device
from polyfleet_controller.services.views import DeviceView, Marked, MarkOutcome
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue

# As many as the API takes at once.
_BATCH: Final = 500
_DONE: Final = frozenset({MarkOutcome.CHANGED, MarkOutcome.UNCHANGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which devices are meant: by name, by their labels, or all."""

    names: tuple[str, ...] = ()
    selector: str = ""
    everything: bool = False

    def __post_init__(self) -> None:
        given = [bool(self.names), bool(self.selector), self.everything]
        if sum(given) != 1:
            raise CommandError(
                "say which devices: their names, or -l SELECTOR, or --all, and only one of these",
                ExitCode.INPUT,
            )
        for name in self.names:
            device_path(name)

    @property
    def is_one(self) -> bool:
        """Whether it is one device by its name."""
        return len(self.names) == 1

    def find(self, client: Client) -> tuple[str, ...]:
        """Their names, as they are now."""
        if self.names:
            return self.names
        query = {"selector": self.selector} if self.selector else {}
        devices = (client.read(DeviceView, item) for item in client.items("/v1/devices", query))
        found = tuple(device.name for device in devices)
        if not found:
            raise CommandError(f"no device meets {self.selector or '--all'}: nothing is changed")
        return found


def mark_devices(client: Client, path: str, devices: Sequence[str], change: JsonValue) -> list[Marked]:
    """Change the marks of many devices, so many at once as the API takes."""
    marked: list[Marked] = []
    for start in range(0, len(devices), _BATCH):
        names: list[JsonValue] = list(devices[start : start + _BATCH])
        answer = client.patch(path, {"devices": names, "change": change})
        items = answer.get("items") if isinstance(answer, dict) else None
        marked += [client.read(Marked, item) for item in (items if isinstance(items, list) else ())]
    return marked


def show_marked(marked: Sequence[Marked], done: str, output: OutputFormat) -> None:
    """A line for each device.

    Raises:
        CommandError: with why some are not changed.
    """
    show(
        output,
        document={"items": [dict(encode(each)) for each in marked]},
        names=(name_device(each.device) for each in marked),
        page=lambda: join_lines(_say(each, done) for each in marked),
        wraps=False,
    )
    refused = [each for each in marked if each.outcome not in _DONE]
    if refused:
        raise CommandError("\n".join(_explain(refused)))


def _say(marked: Marked, done: str) -> Text:
    if marked.outcome is MarkOutcome.CHANGED:
        return styled(f"{name_device(marked.device)} {done}")
    return Text.assemble(f"{name_device(marked.device)} ", styled(f"not {done}", _style(marked)))


def _style(marked: Marked) -> str:
    return "" if marked.outcome is MarkOutcome.UNCHANGED else BAD


def _explain(refused: Iterable[Marked]) -> Iterable[str]:
    overwrites = False
    for each in refused:
        overwrites |= each.outcome is MarkOutcome.CONFLICT
        told = "".join(f"\n  {problem.message}" for problem in each.problems)
        yield f"{name_device(each.device)} is not changed:{told}"
    if overwrites:
        yield "Give --overwrite where that is meant."
