"""Labels and taints for people, a line each: who says it, and since when it holds."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, assert_never

from rich.text import Text

from polyfleet_controller.cli.layout import WEAK, styled
from polyfleet_controller.cli.words import say_since
from polyfleet_controller.services.views import DeviceLabel, IgnoredLabel, LabelSource, Taint

_CONFIGURATION: Final = "the device's configuration"


def say_labels(labels: Iterable[DeviceLabel]) -> Iterator[Text]:
    """`site=berlin (operator; the device's configuration says paris)`."""
    return (styled(f"{label.key}={label.value} ({_say_source(label)})") for label in labels)


def say_ignored(labels: Iterable[IgnoredLabel]) -> Iterator[Text]:
    """What the device's configuration says in vain, and why."""
    return (styled(f"agent.toml: {label.message}", WEAK) for label in labels)


def say_taints(taints: Iterable[Taint], now: datetime) -> Iterator[Text]:
    """`dedicated=till:NoSchedule, since 3 min ago (2024-05-01 10:00:03Z)`."""
    return (styled(f"{taint}, since {say_since(taint.since, now)}") for taint in taints)


def _say_source(label: DeviceLabel) -> str:
    match label.source:
        case LabelSource.INVENTORY:
            return "inventory"
        case LabelSource.DEVICE:
            return _CONFIGURATION
        case LabelSource.OPERATOR if label.configured is None:
            return "operator"
        case LabelSource.OPERATOR:
            said = "the same" if label.configured == label.value else label.configured or "''"
            return f"operator; {_CONFIGURATION} says {said}"
        case _:
            assert_never(label.source)
