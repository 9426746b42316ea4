"""What `kubectl label` and `kubectl taint` take as arguments, as the API's changes."""

from collections.abc import Iterable, Sequence
from typing import Final

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.services.views import Effect
from polyfleet_shared.json_text import JsonValue

_EFFECTS: Final = ", ".join(Effect)


def split_names(arguments: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of devices come first, as in kubectl: no name has one of `=`, `:` and `-` at its end."""
    names: list[str] = []
    for argument in arguments:
        if argument.endswith("-") or "=" in argument or ":" in argument:
            break
        names.append(argument)
    return tuple(names), tuple(arguments[len(names) :])


def read_label_change(arguments: Sequence[str], *, overwrite: bool) -> JsonValue:
    """`site=north` sets, `site-` removes.

    Raises:
        CommandError: with every argument that is neither, and every label that is set twice.
    """
    values: dict[str, JsonValue] = {}
    removed: list[JsonValue] = []
    problems: list[str] = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals:
            if values.setdefault(key, value) != value:
                problems.append(f"{key} is set to {values[key]} and to {value}: do one of both")
        elif key.endswith("-"):
            removed.append(key.removesuffix("-"))
        else:
            problems.append(f"{argument!r} sets and removes nothing: write KEY=VALUE or KEY-")
    _raise(problems)
    return {"set": values, "remove": removed, "overwrite": overwrite}


def read_taint_change(arguments: Sequence[str], *, overwrite: bool) -> JsonValue:
    """`dedicated=till:NoSchedule` sets; `dedicated:NoSchedule-` and `dedicated-` remove, whatever the value.

    Raises:
        CommandError: with every argument that is neither.
    """
    values: list[JsonValue] = []
    removed: list[JsonValue] = []
    problems: list[str] = []
    for argument in arguments:
        pair, colon, effect = argument.removesuffix("-").partition(":")
        key, _, value = pair.partition("=")
        if colon and effect not in set(Effect):
            problems.append(f"{argument!r}: an effect is one of {_EFFECTS}, not {effect!r}")
        elif argument.endswith("-"):
            removed.append({"key": key, "effect": effect} if colon else {"key": key})
        elif colon:
            values.append({"key": key, "value": value, "effect": effect})
        else:
            problems.append(
                f"{argument!r} sets and removes nothing: write KEY=VALUE:EFFECT, KEY:EFFECT- or KEY-"
            )
    _raise(problems)
    return {"set": values, "remove": removed, "overwrite": overwrite}


def _raise(problems: Iterable[str]) -> None:
    text = "\n".join(problems)
    if text:
        raise CommandError(text, ExitCode.INPUT)
