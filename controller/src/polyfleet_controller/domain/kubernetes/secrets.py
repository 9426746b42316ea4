"""A Secret that somebody wants to apply: its content stays on devices, and how it comes there is told."""

from typing import Final

from polyfleet_controller.domain.kubernetes.json_objects import JsonObject, object_at
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE
from polyfleet_shared.secrets import InvalidSecretError, check_secret_name, name_secret

_SHOWN: Final = 8
_LOGIN: Final = ".dockerconfigjson"


def refuse_secret(document: JsonObject) -> str:
    """Why it is not taken, with the commands to give on each device; of its content nothing but the keys."""
    why = "Secret is not taken: what is secret stays on the devices, and travels in no document; on each run"
    metadata = object_at(document, "metadata")
    namespace, name = str(metadata.get("namespace", DEFAULT_NAMESPACE)), str(metadata.get("name"))
    keys = sorted({**object_at(document, "data"), **object_at(document, "stringData")})
    try:
        check_secret_name(name)
        if keys == [_LOGIN]:
            return f"{why}: podman login --authfile /etc/polyfleet/pull-secrets/{name}.json REGISTRY"
        commands = [f"podman secret create {name_secret(namespace, name, key)} FILE" for key in keys[:_SHOWN]]
    except InvalidSecretError as error:
        return f"{why}: podman secret create NAMESPACE.NAME_KEY FILE, for each key ({error})"
    more = f"; and {len(keys) - _SHOWN} more" if keys[_SHOWN:] else ""
    return f"{why}: {'; '.join(commands) or 'podman secret create NAMESPACE.NAME_KEY FILE'}{more}"
