"""Files of ConfigMaps: Kubernetes puts them there where a pod starts, here they are as they were applied."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.domain.kubernetes.config_maps import ConfigMap, ConfigMaps
from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, objects_in
from polyfleet_shared.codec import decode
from polyfleet_shared.json_text import DecodeError, JsonValue, Problem

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
    """Write the files of ConfigMaps into the volumes that are made of them, and tell what is wrong."""
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
            yield from _find_files(source, place, namespace, config_maps, files)
        volume["configMap"] = {"items": files}


def _find_files(
    source: ConfigMapVolumeSource,
    place: str,
    namespace: str,
    config_maps: ConfigMaps,
    files: list[JsonValue],
) -> Iterator[Problem]:
    if not config_maps.knows(namespace, source.name) and not source.optional:
        message = (
            f"there is no ConfigMap {source.name[:80]!r} in the namespace {namespace[:80]} here: "
            "apply it in the same command, `polyfleet apply -f`"
        )
        yield Problem(path=f"{place}.name", message=message)
    found = config_maps.find(namespace, source.name)
    if found is None:
        return
    chosen = source.items or [KeyToPath(key=key, path=key) for key in sorted(_keys(found))]
    for position, item in enumerate(chosen):
        at = f"{place}.items[{position}].key" if source.items else f"{place}.name"
        if item.key in found.data:
            mode = source.default_mode if item.mode is None else item.mode
            files.append({"key": item.path, "text": found.data[item.key], "mode": mode})
        elif item.key in found.binary_data:
            yield Problem(
                path=at, message=f"{item.key!r} is binary: files of text alone travel in a document"
            )
        elif not source.optional:
            message = f"the ConfigMap {source.name} has no key {item.key[:80]!r}"
            yield Problem(path=at, message=message)


def _keys(config_map: ConfigMap) -> set[str]:
    return {*config_map.data, *config_map.binary_data}
