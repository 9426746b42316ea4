"""The query parameters of each list, as values."""

from collections.abc import Mapping
from dataclasses import dataclass

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
        )

    @property
    def _labels(self) -> Mapping[str, str]:
        pairs = (label.partition("=") for label in self.label)
        return {key: value for key, _, value in pairs}
