"""The query parameters of each list, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from polyfleet_controller.domain.images import ImageReference
from polyfleet_controller.domain.manifest import DEFAULT_NAMESPACE, Name
from polyfleet_controller.domain.selectors import Selector
from polyfleet_controller.services.devices import DeviceFilter
from polyfleet_controller.services.pages import MAX_LIMIT, PageRequest
from polyfleet_controller.services.views import Admission, Connectivity, Sync
from polyfleet_shared.json_text import DecodeError, Problem
from polyfleet_shared.platforms import Platform

_DEFAULT_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NoQuery:
    """For what takes no parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyQuery:
    """Whether a manifest is carried out, or only what it would change is said."""

    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteQuery:
    """In which state alone something is deleted; without it, in any."""

    resource_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Which page of a list."""

    limit: int = _DEFAULT_LIMIT
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            message = f"expected 1 to {MAX_LIMIT}, got {self.limit}"
            raise DecodeError((Problem(path="limit", message=message),))

    @property
    def page(self) -> PageRequest:
        """As the services take it."""
        return PageRequest(limit=self.limit, cursor=self.cursor)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceQuery(PageQuery):
    """Which devices: all that is given must hold. A `label` is `key=value`."""

    admission: Admission | None = None
    connectivity: Connectivity | None = None
    platform: Platform | None = None
    sync: Sync | None = None
    label: tuple[str, ...] = ()
    selector: Selector | None = None

    def __post_init__(self) -> None:
        PageQuery.__post_init__(self)
        problems = [
            Problem(path=f"label[{position}]", message=f"expected key=value, got {label[:80]!r}")
            for position, label in enumerate(self.label)
            if not label.partition("=")[0] or "=" not in label
        ]
        if problems:
            raise DecodeError(tuple(problems))

    @property
    def filters(self) -> DeviceFilter:
        """As the services take them."""
        return DeviceFilter(
            admission=self.admission,
            connectivity=self.connectivity,
            platform=self.platform,
            sync=self.sync,
            labels=self._labels,
            selector=self.selector or Selector(),
        )

    @property
    def _labels(self) -> Mapping[str, str]:
        pairs = (label.partition("=") for label in self.label)
        return {key: value for key, _, value in pairs}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadName:
    """A workload in a parameter: `[namespace/]name`."""

    namespace: Name
    name: Name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read it; raises InvalidNameError."""
        namespace, slash, name = text.rpartition("/")
        return cls(namespace=Name(namespace) if slash else DEFAULT_NAMESPACE, name=Name(name))

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageQuery:
    """Which image, and which devices: those of a workload, those that are selected, or all.

    Without an image all those that the workload names are meant.
    """

    reference: ImageReference | None = None
    workload: WorkloadName | None = None
    selector: Selector | None = None

    def __post_init__(self) -> None:
        if self.reference is None and self.workload is None:
            message = "missing; only with workload it may be left out: then its own images are meant"
            raise DecodeError((Problem(path="reference", message=message),))
        if self.workload is not None and self.selector is not None:
            message = "give either workload or selector: a workload says itself which devices it is for"
            raise DecodeError((Problem(path="selector", message=message),))
