"""Volumes and securityContext as an operator writes them in a pod's spec, and what a device gets of them."""

from dataclasses import dataclass, replace
from typing import Final

from polyfleet_controller.domain.quantities import Quantity
from polyfleet_shared.json_text import DecodeError, Problem
from polyfleet_shared.pods import (
    ANY_SECURITY_CONTEXT,
    ConfigMapVolume,
    EmptyDirVolume,
    HostPathVolume,
    InvalidPodError,
    Medium,
    SecurityContext,
    Volume,
)
from polyfleet_shared.secrets import SecretVolume, check_secret_name


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDirTemplate:
    """A Kubernetes EmptyDirVolumeSource."""

    medium: Medium | None = None
    size_limit: Quantity | None = None

    def __post_init__(self) -> None:
        if self.size_limit is not None and not self.size_limit.is_whole:
            message = f"{self.size_limit} is a fraction of a byte: M and Mi are millions of bytes"
            raise DecodeError((Problem(path="sizeLimit", message=message),))
        try:
            self.pin()
        except InvalidPodError as error:
            raise DecodeError((Problem(path="sizeLimit", message=str(error)),)) from None

    def pin(self) -> EmptyDirVolume:
        """The volume in the units of the wire."""
        limit = self.size_limit
        return EmptyDirVolume(medium=self.medium, size_limit=None if limit is None else limit.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeTemplate:
    """A Kubernetes Volume; a configMap's files stand in it, each with its `key`, `text` and `mode`."""

    name: str
    host_path: HostPathVolume | None = None
    empty_dir: EmptyDirTemplate | None = None
    config_map: ConfigMapVolume | None = None
    secret: SecretVolume | None = None

    def __post_init__(self) -> None:
        self.pin()

    def pin(self) -> Volume:
        """The volume as a device gets it."""
        return Volume(
            name=self.name,
            host_path=self.host_path,
            empty_dir=None if self.empty_dir is None else self.empty_dir.pin(),
            config_map=self.config_map,
            secret=self.secret,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalObjectReference:
    """Kubernetes' LocalObjectReference to a Secret: here, credentials for registries on the device."""

    name: str

    def __post_init__(self) -> None:
        check_secret_name(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSecurityContext:
    """A Kubernetes PodSecurityContext: what holds for every container that does not say otherwise."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None

    def __post_init__(self) -> None:
        self.complete(ANY_SECURITY_CONTEXT)

    def complete(self, own: SecurityContext) -> SecurityContext:
        """A container's own context, with the pod's where it says nothing.

        Raises:
            InvalidPodError: the two contradict each other.
        """
        return replace(
            own,
            run_as_user=self.run_as_user if own.run_as_user is None else own.run_as_user,
            run_as_group=self.run_as_group if own.run_as_group is None else own.run_as_group,
            run_as_non_root=self.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root,
        )


ANY_POD_SECURITY_CONTEXT: Final = PodSecurityContext()
