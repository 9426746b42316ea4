"""ConfigMaps: what the workloads beside them have their variables from. Polyfleet itself keeps none."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from polyfleet_controller.domain.kubernetes.fields import sift
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, copy_without_nulls, object_at
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, Name
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, Problem

Key: TypeAlias = tuple[str, str]

# RFC 1123, as Kubernetes has it for names of objects; a workload's name is stricter.
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_MAX_NAME: Final = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapMetadata:
    """A ConfigMap's ObjectMeta."""

    name: str
    namespace: Name = DEFAULT_NAMESPACE
    labels: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.name) > _MAX_NAME or _NAME.fullmatch(self.name) is None:
            message = f"{self.name[:80]!r} is no name: use a-z, 0-9, '-' and '.'"
            raise DecodeError((Problem(path="name", message=message),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMap:
    """A Kubernetes ConfigMap (v1). What is in `binary_data` cannot be a variable."""

    api_version: str
    kind: str
    metadata: ConfigMapMetadata
    data: Mapping[str, str] = field(default_factory=dict)
    binary_data: Mapping[str, str] = field(default_factory=dict)
    immutable: bool = False

    def __post_init__(self) -> None:
        problems = [
            Problem(path="data", message=f"{key[:80]!r} is no key: use letters, digits, '-', '_' and '.'")
            for key in self.data
            if _KEY.fullmatch(key) is None
        ]
        if problems:
            raise DecodeError(tuple(problems))


def read_config_map(document: JsonObject) -> ConfigMap:
    """Read a ConfigMap; raises DecodeError with everything that is wrong in it."""
    sifted, problems = sift(object_at(copy_without_nulls(document)), "ConfigMap")
    try:
        config_map = decode(ConfigMap, sifted)
    except DecodeError as error:
        raise DecodeError((*problems, *error.problems)) from None
    if problems:
        raise DecodeError(problems)
    return config_map


class ConfigMaps:
    """Those of some files, and which of them were asked for."""

    def __init__(self) -> None:
        self._known: dict[Key, ConfigMap | None] = {}
        self._asked: set[Key] = set()

    def add(self, document: JsonObject) -> None:
        """Take one in.

        Raises:
            DecodeError: it cannot be read, or is there already. Its name is known all the same, so that
                those who refer to it are not told that it is missing.
        """
        metadata = object_at(document, "metadata")
        key = (str(metadata.get("namespace", DEFAULT_NAMESPACE)), str(metadata.get("name")))
        if key in self._known:
            raise DecodeError((Problem(path="metadata.name", message="the ConfigMap is there already"),))
        self._known[key] = None
        self._known[key] = read_config_map(document)

    def knows(self, namespace: str, name: str) -> bool:
        """Whether there is one of this name, be it broken; asking counts as a use."""
        self._asked.add((namespace, name))
        return (namespace, name) in self._known

    def find(self, namespace: str, name: str) -> ConfigMap | None:
        """The ConfigMap of this name; None where there is none, or a broken one."""
        return self._known.get((namespace, name))

    def unused(self) -> Iterator[Key]:
        """Those that nothing has asked for."""
        return (key for key in self._known if key not in self._asked)
