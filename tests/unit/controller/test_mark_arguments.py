"""Labels and taints as they are typed, in all of kubectl's forms."""

from collections.abc import Callable, Sequence

import pytest

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.mark_arguments import read_label_change, read_taint_change
from polyfleet_shared.json_text import JsonValue


def test_labels_are_set_and_removed() -> None:
    arguments = ("site=north", "empty=", "example.com/a-b=x-", "rack-", "example.com/old-", "site=north")
    assert read_label_change(arguments, overwrite=True) == {
        "set": {"site": "north", "empty": "", "example.com/a-b": "x-"},
        "remove": ["rack", "example.com/old"],
        "overwrite": True,
    }


def test_taints_are_set_and_removed() -> None:
    arguments = (
        "dedicated=till:NoSchedule",
        "broken:NoExecute",
        "slow=:PreferNoSchedule",
        "old=till:NoSchedule-",
        "older:NoExecute-",
        "example.com/oldest-",
    )
    assert read_taint_change(arguments, overwrite=False) == {
        "set": [
            {"key": "dedicated", "value": "till", "effect": "NoSchedule"},
            {"key": "broken", "value": "", "effect": "NoExecute"},
            {"key": "slow", "value": "", "effect": "PreferNoSchedule"},
        ],
        "remove": [
            {"key": "old", "effect": "NoSchedule"},
            {"key": "older", "effect": "NoExecute"},
            {"key": "example.com/oldest"},
        ],
        "overwrite": False,
    }


@pytest.mark.parametrize(
    ("read", "arguments", "message"),
    [
        (
            read_label_change,
            ("site", "site=a", "site=b"),
            (
                "'site' sets and removes nothing: write KEY=VALUE or KEY-\n"
                "site is set to a and to b: do one of both"
            ),
        ),
        (
            read_taint_change,
            ("a=b", "a:Never", "a:Never-", "a:"),
            (
                "'a=b' sets and removes nothing: write KEY=VALUE:EFFECT, KEY:EFFECT- or KEY-\n"
                "'a:Never': an effect is one of NoSchedule, PreferNoSchedule, NoExecute, not 'Never'\n"
                "'a:Never-': an effect is one of NoSchedule, PreferNoSchedule, NoExecute, not 'Never'\n"
                "'a:': an effect is one of NoSchedule, PreferNoSchedule, NoExecute, not ''"
            ),
        ),
    ],
)
def test_everything_that_is_neither_is_told(
    read: Callable[..., JsonValue], arguments: Sequence[str], message: str
) -> None:
    with pytest.raises(CommandError) as raised:
        read(arguments, overwrite=False)
    assert (str(raised.value), raised.value.exit_code) == (message, ExitCode.INPUT)
