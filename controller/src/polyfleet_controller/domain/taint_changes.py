"""How operators change a device's taints. There is one for each key and effect, as in Kubernetes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from polyfleet_controller.domain.labels import find_key_problems, find_value_problems
from polyfleet_controller.domain.marks import RESERVED_PREFIX, Objections, check_room, say
from polyfleet_controller.domain.taints import Effect, Taint

Place: TypeAlias = tuple[str, Effect]

# On one device: placement looks at each of them.
MAX_TAINTS: Final = 50

_FORM: Final = "a taint's key and value have the form of a label's"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintSetting:
    """A taint as an operator asks for it."""

    key: str
    value: str = ""
    effect: Effect

    @property
    def place(self) -> Place:
        """What there is one taint for."""
        return (self.key, self.effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintRemoval:
    """The taint of a key and effect; without an effect, all of the key."""

    key: str
    effect: Effect | None = None

    def takes(self, place: Place) -> bool:
        """Whether a taint there is to go."""
        key, effect = place
        return key == self.key and self.effect in (None, effect)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaintChange:
    """What an operator asks for. With `overwrite`, a value may take the place of another."""

    set: tuple[TaintSetting, ...] = ()
    remove: tuple[TaintRemoval, ...] = ()
    overwrite: bool = False


def change_taints(taints: Iterable[Taint], change: TaintChange, *, now: datetime) -> tuple[Taint, ...]:
    """A device's taints after a change, by key and effect; what is the same keeps its `since`.

    Raises:
        MarkConflictError: a taint has another value, and the change does not overwrite.
        MarkRefusedError: with everything that is wrong in the change.
    """
    known = {(taint.key, taint.effect): taint for taint in taints}
    _judge(known, change)
    after = {
        place: taint
        for place, taint in known.items()
        if not any(removal.takes(place) for removal in change.remove)
    }
    for setting in change.set:
        old = known.get(setting.place)
        if old is None or old.value != setting.value:
            old = Taint(key=setting.key, value=setting.value, effect=setting.effect, since=now)
        after[setting.place] = old
    check_room("taints", len(known), len(after), MAX_TAINTS)
    return tuple(taint for _, taint in sorted(after.items(), key=lambda item: item[0]))


def _judge(known: Mapping[Place, Taint], change: TaintChange) -> None:
    objections = Objections()
    places: set[Place] = set()
    for position, setting in enumerate(change.set):
        path = f"set[{position}]"
        if setting.place in places:
            objections.refuse(path, f"{_name(setting.place)} is set twice: a key has one value for an effect")
        places.add(setting.place)
        _judge_setting(objections, path, setting)
        old = known.get(setting.place)
        if old is not None and old.value != setting.value and not change.overwrite:
            objections.conflict(
                path,
                f"{_name(setting.place)} is {say(old.value)} already: "
                f"overwrite it if {say(setting.value)} is meant",
            )
    for position, removal in enumerate(change.remove):
        path = f"remove[{position}]"
        objections.refuse(f"{path}.key", *_find_key_problems(removal.key))
        both = next((setting.place for setting in change.set if removal.takes(setting.place)), None)
        if both is not None:
            objections.refuse(path, f"{_name(both)} is to be set as well: do one of both")
    objections.close()


def _judge_setting(objections: Objections, path: str, setting: TaintSetting) -> None:
    key, value = say(setting.key), say(setting.value)
    if setting.key.startswith(RESERVED_PREFIX):
        objections.refuse(f"{path}.key", f"{key} is reserved, as all under {RESERVED_PREFIX} is for taints")
        return
    objections.refuse(f"{path}.key", *_find_key_problems(setting.key))
    found = find_value_problems(setting.value)
    objections.refuse(f"{path}.value", *(f"{key}={value}: {_FORM}: {problem}" for problem in found))


def _find_key_problems(key: str) -> Iterator[str]:
    return (f"{say(key)}: {_FORM}: {problem}" for problem in find_key_problems(key))


def _name(place: Place) -> str:
    key, effect = place
    return f"{say(key)}:{effect}"
