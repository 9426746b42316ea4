"""How a Deployment and a DaemonSet are updated: what of it a rollout has, under its own name there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.kubernetes.kinds import DAEMON_SET, DEPLOYMENT
from polyfleet_controller.domain.rollout.strategy import DEFAULT_STRATEGY, Strategy
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue, Problem

FIELDS: Final = {DEPLOYMENT: "strategy", DAEMON_SET: "updateStrategy"}
OURS: Final = "spec.rollout.maxUnavailable"

# What Kubernetes writes into every Deployment that says nothing, and what holds here without a word.
_UNSAID: Final = {DEPLOYMENT: str(DEFAULT_STRATEGY.max_unavailable)}


def find_path(kind: str) -> str:
    """Where documents of this kind say what `OURS` says."""
    return f"spec.{FIELDS[kind]}.rollingUpdate.maxUnavailable" if kind in FIELDS else OURS


def settle_update_strategy(spec: JsonObject, kind: str) -> Iterator[Problem]:
    """Put a rollout in the place of the strategy, of which what carries nothing is gone already."""
    field = FIELDS[kind]
    strategy = spec.pop(field, {})
    rolling = object_at(strategy).get("rollingUpdate", {})
    yield from _refuse_all_but("rollingUpdate", strategy, f"spec.{field}")
    yield from _refuse_all_but("maxUnavailable", rolling, f"spec.{field}.rollingUpdate")
    most = object_at(rolling).get("maxUnavailable")
    if most is None or most == _UNSAID.get(kind):
        return
    if "rollout" in spec:
        yield Problem(path="spec.rollout", message=f"say how it is updated here or in {field}")
    spec["rollout"] = {"maxUnavailable": most}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A rollout as Kubernetes has it: fields of the spec, and what it cannot say."""

    fields: JsonObject
    unsaid: tuple[Problem, ...]


def write_update_strategy(rollout: Strategy | None, kind: str) -> Written:
    """The strategy in a document of this kind; a Pod has none."""
    if rollout is None:
        return Written(fields={}, unsaid=())
    if kind not in FIELDS or str(rollout.max_unavailable) == _UNSAID.get(kind):
        message = f"a {kind} cannot say that there is one"
        return Written(fields={}, unsaid=(Problem(path="spec.rollout", message=message),))
    said = rollout.max_unavailable
    most: JsonValue = str(said) if said.count is None else said.count
    unsaid = tuple(
        Problem(path=f"spec.rollout.{name}", message="there is no such field in Kubernetes")
        for name in encode(rollout, omit_defaults=True)
        if name != "maxUnavailable"
    )
    return Written(fields={FIELDS[kind]: {"rollingUpdate": {"maxUnavailable": most}}}, unsaid=unsaid)


def _refuse_all_but(name: str, document: JsonValue, path: str) -> Iterator[Problem]:
    if not isinstance(document, dict):
        yield Problem(path=path, message="expected an object")
        return
    for key in document:
        if key != name:
            yield Problem(path=f"{path}.{key[:80]}", message="unknown field")
