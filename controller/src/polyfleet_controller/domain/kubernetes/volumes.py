"""Files of ConfigMaps: Kubernetes puts them there where a pod starts, here they are as they were applied."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.kubernetes.config_maps import ConfigMap, ConfigMaps
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, objects_in
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem
from polyfleet_shared.pods import MAX_CONFIG_BYTES, ConfigFile, InvalidPodError, describe_excess

_MODE: Final = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyToPath:
    """Kubernetes' KeyToPath. `path` is a file's name: a volume has no directories in it."""

    key: str
    path: str
    mode: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapVolumeSource:
    """Kubernetes' ConfigMapVolumeSource."""

    name: str
    items: tuple[KeyToPath, ...] = ()
    default_mode: int = _MODE
    optional: bool = False


def settle_volumes(pod: JsonObject, path: str, namespace: str, config_maps: ConfigMaps) -> Iterator[Problem]:
    """Write the files of ConfigMaps into the volumes that are made of them, and tell what is wrong.

    All that the codec would say of such a file is said here: it knows only what was written, not where from.
    """
    size = 0
    for position, volume in objects_in(pod.get("volumes")):
        if "configMap" not in volume:
            continue
        place = f"{path}.volumes[{position}].configMap"
        files: list[JsonValue] = []
        try:
            source = decode(ConfigMapVolumeSource, volume["configMap"])
        except DecodeError as error:
            yield from error.under(place).problems
        else:
            reading = _Reading(source, place, namespace, config_maps, size)
            yield from reading.problems
            files, size = reading.files, reading.size
        volume["configMap"] = {"items": files}


class _Reading:
    """The files of one volume; `size` is that of all files of the pod so far, in bytes."""

    def __init__(
        self,
        source: ConfigMapVolumeSource,
        place: str,
        namespace: str,
        config_maps: ConfigMaps,
        size: int,
    ) -> None:
        self.problems: list[Problem] = []
        self.files: list[JsonValue] = []
        self.size = size
        self._source = source
        self._place = place
        self._names: set[str] = set()
        self._check_mode(source.default_mode, "defaultMode")
        found = self._find(namespace, config_maps)
        if found is None:
            return
        if source.items:
            for position, item in enumerate(source.items):
                at = f"items[{position}]"
                self._read(found, item, key=f"{at}.key", path=f"{at}.path", mode=f"{at}.mode")
        else:
            for key in sorted(_keys(found)):
                self._read(found, KeyToPath(key=key, path=key), key="name", path="name", mode="name")

    def _find(self, namespace: str, config_maps: ConfigMaps) -> ConfigMap | None:
        name = self._source.name
        if not config_maps.knows(namespace, name) and not self._source.optional:
            self._refuse(
                "name",
                f"there is no ConfigMap {name[:80]!r} in the namespace {namespace[:80]} here: "
                "apply it in the same command, `polyfleet apply -f`",
            )
        return config_maps.find(namespace, name)

    def _read(self, found: ConfigMap, item: KeyToPath, *, key: str, path: str, mode: str) -> None:
        """Take one file; `key`, `path` and `mode` are where these were written."""
        if item.key in found.binary_data:
            self._refuse(key, f"{item.key!r} is binary: files of text alone travel in a document")
        elif item.key in found.data:
            if item.mode is not None:
                self._check_mode(item.mode, mode)
            self._check_name(item.path, path)
            self._add(item, found.data[item.key], key)
        elif not self._source.optional:
            self._refuse(key, f"the ConfigMap {self._source.name} has no key {item.key[:80]!r}")

    def _add(self, item: KeyToPath, text: str, key: str) -> None:
        """What is too much is told where it is too much; a manifest with a problem is not taken at all."""
        before, self.size = self.size, self.size + len(text.encode())
        if before <= MAX_CONFIG_BYTES < self.size:
            self._refuse(key, describe_excess(self.size))
        if not self.problems and self.size <= MAX_CONFIG_BYTES:
            mode = self._source.default_mode if item.mode is None else item.mode
            self.files.append({"key": item.path, "text": text, "mode": mode})

    def _check_name(self, name: str, path: str) -> None:
        if name in self._names:
            self._refuse(path, f"a file {name[:80]!r} is there already")
        self._names.add(name)
        try:
            ConfigFile(key=name, text="")
        except InvalidPodError as error:
            self._refuse(path, str(error))

    def _check_mode(self, mode: int, path: str) -> None:
        try:
            ConfigFile(key="file", text="", mode=mode)
        except InvalidPodError as error:
            self._refuse(path, str(error))

    def _refuse(self, path: str, message: str) -> None:
        self.problems.append(Problem(path=f"{self._place}.{path}", message=message))


def _keys(config_map: ConfigMap) -> set[str]:
    return {*config_map.data, *config_map.binary_data}
