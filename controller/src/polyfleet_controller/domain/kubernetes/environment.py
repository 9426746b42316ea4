"""A container's variables: what Kubernetes resolves where a container starts, resolved when it is applied."""

from dataclasses import dataclass
from typing import Final, TypeVar

from polyfleet_controller.domain.kubernetes.config_maps import ConfigMap, ConfigMaps
from polyfleet_controller.domain.kubernetes.expansion import expand, find_names
from polyfleet_controller.domain.kubernetes.json_objects import (
    JsonObject,
    list_at,
    object_at,
    objects_in,
)
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.secrets import EnvFromSource
from polyfleet_shared.workloads import EnvironmentVariable, InvalidWorkloadError

T = TypeVar("T")

_STAYS: Final = "stays on the device: nothing that is written in the manifest can have its value"
_NOT_KNOWN: Final = "a device's own values are not known when the manifest is applied; write the value"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapEnvSource:
    """Kubernetes' ConfigMapEnvSource."""

    name: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapKeySelector:
    """Kubernetes' ConfigMapKeySelector."""

    name: str
    key: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapImport:
    """Kubernetes' EnvFromSource of a ConfigMap."""

    prefix: str = ""
    config_map_ref: ConfigMapEnvSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapValue:
    """Kubernetes' EnvVarSource of a ConfigMap."""

    config_map_key_ref: ConfigMapKeySelector


# By the field of an EnvVarSource or EnvFromSource.
REFUSED_SOURCES: Final = {
    "fieldRef": _NOT_KNOWN,
    "resourceFieldRef": _NOT_KNOWN,
    "fileKeyRef": _NOT_KNOWN,
}


class Environment:
    """The variables of one container. `env_from` are the sources that stay: those that the device has.

    `unset` are the positions in `env` of those that are optional and not there. They keep their places
    until the rest has been read, so that what is said of the others has the position that it is written at.
    """

    def __init__(self, container: JsonObject, path: str, namespace: str, config_maps: ConfigMaps) -> None:
        self.problems: list[Problem] = []
        self.unset: set[int] = set()
        self._path = path
        self._namespace = namespace
        self._config_maps = config_maps
        self._variables: dict[str, str] = {}
        self._secret_names: set[str] = set()
        self.env_from: list[JsonValue] = []
        self._import_all(container.get("envFrom"))
        own = [self._define(position, item) for position, item in enumerate(list_at(container, "env"))]
        named = {str(item.get("name")) for _, item in objects_in(own)}
        imported = [(name, value) for name, value in self._variables.items() if name not in named]
        self.env: list[JsonValue] = own + [{"name": name, "value": value} for name, value in imported]

    def expand(self, value: JsonValue, path: str) -> JsonValue:
        """A list of texts with the values of the variables that it names."""
        if not isinstance(value, list):
            return value
        return [
            self._expand(item, f"{path}[{position}]") if isinstance(item, str) else item
            for position, item in enumerate(value)
        ]

    def _expand(self, text: str, place: str) -> str:
        for name in find_names(text):
            if name in self._secret_names:
                self._refuse(place, f"$({name}) is of a secret, which {_STAYS}")
            elif name not in self._variables and self.env_from:
                self._refuse(
                    place, f"$({name}) may be of a secret, which {_STAYS}; write $$({name}) for the text"
                )
        return expand(text, self._variables)

    def _import_all(self, sources: JsonValue) -> None:
        if not isinstance(sources, list | None):
            self._refuse(f"{self._path}.envFrom", "expected a list")
        for position, item in enumerate(sources if isinstance(sources, list) else ()):
            place = f"{self._path}.envFrom[{position}]"
            if "secretRef" in object_at(item):
                self._keep(item, place)
                continue
            source = self._decode(ConfigMapImport, item, place)
            if source is None:
                continue
            place += ".configMapRef"
            found = self._find(source.config_map_ref.name, place, optional=source.config_map_ref.optional)
            for key, value in () if found is None else sorted(found.data.items()):
                self._import(source, key, value, place)

    def _keep(self, item: JsonValue, place: str) -> None:
        if "configMapRef" in object_at(item):
            self._refuse(place, "write one of configMapRef and secretRef, the other in an item of its own")
        elif self._decode(EnvFromSource, item, place) is not None:
            self.env_from.append(item)

    def _import(self, source: ConfigMapImport, key: str, value: str, place: str) -> None:
        name = source.prefix + key
        try:
            EnvironmentVariable(name=name, value=value)
        except InvalidWorkloadError as error:
            self._refuse(place, f"of the key {key!r}: {error}; write another prefix")
        else:
            self._variables[name] = value

    def _define(self, position: int, item: JsonValue) -> JsonValue:
        """What a variable is, as a literal; the codec says what else is wrong with it."""
        if not isinstance(item, dict):
            return item
        if "secretKeyRef" in object_at(item, "valueFrom"):
            self._variables.pop(str(item.get("name")), None)
            self._secret_names.add(str(item.get("name")))
            return item
        literal = self._resolve(position, item) if "valueFrom" in item else self._expand_value(position, item)
        name, value = literal.get("name"), literal.get("value")
        if isinstance(name, str) and isinstance(value, str):
            self._variables[name] = value
        return literal

    def _expand_value(self, position: int, item: JsonObject) -> JsonObject:
        value = item.get("value", "")
        if not isinstance(value, str):
            return item
        return {**item, "value": self._expand(value, f"{self._path}.env[{position}].value")}

    def _resolve(self, position: int, item: JsonObject) -> JsonObject:
        """What is optional and not there leaves what `envFrom` has brought."""
        place = f"{self._path}.env[{position}].valueFrom"
        if item.get("value"):
            self._refuse(place, "there is a value, too: write one of them")
        rest = {key: each for key, each in item.items() if key not in ("value", "valueFrom")}
        value = self._look_up(item["valueFrom"], place)
        if value is None:
            value = self._variables.get(str(item.get("name")))
        if value is None:
            self.unset.add(position)
            return rest
        return {**rest, "value": value}

    def _look_up(self, source: JsonValue, place: str) -> str | None:
        """The value; None where it is optional and not there, and where a problem has been told."""
        read = self._decode(ConfigMapValue, source, place)
        if read is None:
            return None
        reference = read.config_map_key_ref
        place += ".configMapKeyRef"
        found = self._find(reference.name, place, optional=reference.optional)
        if found is None or reference.key in found.data:
            return None if found is None else found.data[reference.key]
        if reference.key in found.binary_data:
            self._refuse(f"{place}.key", f"{reference.key!r} is binary: no variable can hold it")
        elif not reference.optional:
            self._refuse(f"{place}.key", f"the ConfigMap {reference.name} has no key {reference.key[:80]!r}")
        return None

    def _find(self, name: str, place: str, *, optional: bool) -> ConfigMap | None:
        if not self._config_maps.knows(self._namespace, name) and not optional:
            self._refuse(
                f"{place}.name",
                f"there is no ConfigMap {name[:80]!r} in the namespace {self._namespace[:80]} here: "
                "apply it in the same command, `polyfleet apply -f`",
            )
        return self._config_maps.find(self._namespace, name)

    def _decode(self, kind: type[T], document: JsonValue, place: str) -> T | None:
        refused = [
            Problem(path=f"{place}.{key}", message=REFUSED_SOURCES[key])
            for key in object_at(document)
            if key in REFUSED_SOURCES
        ]
        self.problems += refused
        if refused:
            return None
        try:
            return decode(kind, document)
        except DecodeError as error:
            self.problems += error.under(place).problems
            return None

    def _refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path=path, message=message))
