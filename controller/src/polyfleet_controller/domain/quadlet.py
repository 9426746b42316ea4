"""A workload as a unit of Podman's Quadlet (podman-systemd.unit(5)), in keys that Podman 4.4 has already."""

import json
import re
from collections.abc import Iterator
from typing import Final

from polyfleet_controller.domain.manifest import (
    DEFAULT_NAMESPACE,
    ContainerTemplate,
    PodSpec,
    WorkloadManifest,
)
from polyfleet_controller.domain.pod_probes import ProbeTemplate
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue, Problem
from polyfleet_shared.secrets import name_secret
from polyfleet_shared.workloads import ContainerPort, Protocol, ResourceLimits, RestartPolicy

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_RESTART: Final = {
    RestartPolicy.ALWAYS: "always",
    RestartPolicy.ON_FAILURE: "on-failure",
    RestartPolicy.NEVER: "no",
}
# Podman has this long to remove the container after the program was given its time.
_REMOVAL_SECONDS: Final = 10
_BY_HAND: Final = "a unit runs on the machine that has it"

# What the unit says, by path: of the pod's spec, and of its container. All else is told.
_SAID: Final = frozenset({"containers", "hostNetwork", "restartPolicy", "terminationGracePeriodSeconds"})
_SAID_OF_CONTAINER: Final = frozenset(
    {"name", "image", "command", "args", "workingDir", "env", "ports", "resources"}
)
_WHY_NOT: Final = {
    "affinity": _BY_HAND,
    "livenessProbe": "Podman's health checks run commands only",
    "nodeSelector": _BY_HAND,
    "priority": _BY_HAND,
    "readinessProbe": "nothing asks whether a unit is ready",
    "startupProbe": "a unit has one health check, which is for livenessProbe",
    "tolerations": _BY_HAND,
    "topologySpreadConstraints": _BY_HAND,
}
_NO_KEY: Final = "a unit has no key for it"


def export_quadlet(manifest: WorkloadManifest) -> tuple[str, tuple[Problem, ...]]:
    """The text of a `.container` file, and what of the manifest it does not say, by its path there."""
    pod, container = manifest.spec.template.spec, manifest.container
    metadata = manifest.metadata
    called = str(metadata.name)
    if metadata.namespace != DEFAULT_NAMESPACE:
        called = f"{metadata.namespace}-{metadata.name}"
    sections = {
        "Unit": [
            f"Description={metadata.namespace}/{metadata.name}",
            "Wants=network-online.target",
            "After=network-online.target",
        ],
        "Container": [
            f"ContainerName={called}",
            f"Image={container.image}",
            *(f"Label={_quote(f'{key}={value}')}" for key, value in sorted(metadata.labels.items())),
            *_write_container(metadata.namespace, pod, container),
        ],
        "Service": [
            f"Restart={_RESTART[pod.restart_policy]}",
            f"TimeoutStopSec={pod.termination_grace_period_seconds + _REMOVAL_SECONDS}",
        ],
        "Install": ["WantedBy=multi-user.target default.target"],
    }
    text = "\n".join("\n".join((f"[{name}]", *lines, "")) for name, lines in sections.items())
    return text, tuple(_find_unsaid(manifest))


def _write_container(namespace: str, pod: PodSpec, container: ContainerTemplate) -> Iterator[str]:
    for variable in container.env:
        if variable.value_from is None:
            yield f"Environment={_quote(f'{variable.name}={variable.value}')}"
    if pod.host_network:
        yield "Network=host"
    else:
        yield from map(_write_port, container.ports)
    if container.args:
        yield f"Exec={' '.join(map(_quote, container.args))}"
    options = [f"--stop-timeout={pod.termination_grace_period_seconds}", *_name_secrets(namespace, container)]
    if container.command:
        options.append(f"--entrypoint={json.dumps(list(container.command), ensure_ascii=False)}")
    if container.working_dir is not None:
        options.append(f"--workdir={container.working_dir}")
    options += _write_limits(container.limits)
    if container.liveness_probe is not None:
        options += _write_health(container.liveness_probe)
    for option in options:
        yield f"PodmanArgs={_quote(option)}"


def _write_limits(limits: ResourceLimits) -> Iterator[str]:
    if limits.memory is not None:
        yield f"--memory={limits.memory}b"
    if limits.cpu is not None:
        yield f"--cpus={limits.cpu / 1000:g}"


def _write_health(probe: ProbeTemplate) -> Iterator[str]:
    """Podman's own healthcheck, which knows commands only: it kills, and systemd starts again."""
    if probe.exec is None:
        return
    yield f"--health-cmd={json.dumps(list(probe.exec.command), ensure_ascii=False)}"
    yield f"--health-interval={probe.period_seconds}s"
    yield f"--health-timeout={probe.timeout_seconds}s"
    yield f"--health-retries={probe.failure_threshold}"
    if probe.initial_delay_seconds:
        yield f"--health-start-period={probe.initial_delay_seconds}s"
    yield "--health-on-failure=kill"


def _name_secrets(namespace: str, container: ContainerTemplate) -> Iterator[str]:
    """As an option: Podman 4.4 has no key for it."""
    for variable in container.env:
        if variable.value_from is not None:
            reference = variable.value_from.secret_key_ref
            secret = name_secret(namespace, reference.name, reference.key)
            yield f"--secret={secret},type=env,target={variable.name}"


def _write_port(port: ContainerPort) -> str:
    number = f"{port.container_port}{'/udp' if port.protocol is Protocol.UDP else ''}"
    return f"ExposeHostPort={number}" if port.host_port is None else f"PublishPort={port.host_port}:{number}"


def _find_unsaid(manifest: WorkloadManifest) -> Iterator[Problem]:
    spec = encode(manifest.spec, omit_defaults=True)
    for name in spec:
        if name != "template":
            yield Problem(path=f"spec.{name}", message=_BY_HAND if name == "replicas" else _NO_KEY)
    path = "spec.template.spec"
    yield from _list_unsaid(encode(manifest.spec.template.spec, omit_defaults=True), path, _SAID)
    for position in range(1, len(manifest.spec.template.spec.containers)):
        message = "a unit is one container: export does not write the others of a pod"
        yield Problem(path=f"{path}.containers[{position}]", message=message)
    yield from _find_unsaid_of_container(manifest, f"{path}.containers[0]")


def _find_unsaid_of_container(manifest: WorkloadManifest, path: str) -> Iterator[Problem]:
    container = manifest.container
    said = _SAID_OF_CONTAINER
    if container.liveness_probe is not None and container.liveness_probe.exec is not None:
        said |= {"livenessProbe"}
    yield from _list_unsaid(encode(container, omit_defaults=True), path, said)
    for name, value in (("command", container.command), ("args", container.args)):
        if value == () and not (name == "args" and container.command):
            yield Problem(path=f"{path}.{name}", message="a unit cannot empty what the image has")
    for position, port in enumerate(container.ports):
        if manifest.spec.template.spec.host_network:
            yield Problem(path=f"{path}.ports[{position}]", message="the host's network has all ports open")
        elif port.name is not None:
            yield Problem(path=f"{path}.ports[{position}].name", message=_NO_KEY)
    if encode(container.resources, omit_defaults=True).get("requests"):
        yield Problem(path=f"{path}.resources.requests", message=_BY_HAND)


def _list_unsaid(document: dict[str, JsonValue], path: str, said: frozenset[str]) -> Iterator[Problem]:
    for name, value in document.items():
        if name not in said and value != {}:
            yield Problem(path=f"{path}.{name}", message=_WHY_NOT.get(name, _NO_KEY))


def _quote(word: str) -> str:
    """One word as systemd reads it (systemd.syntax(7)), in a line that it will start a command by."""
    word = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN.fullmatch(word):
        return word
    return f'"{"".join(map(_escape, word))}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    return character if character.isprintable() or not character.isascii() else f"\\x{ord(character):02x}"
