"""What the services need of the world around them."""

from typing import Protocol

from polyfleet_controller.domain.images import ImageReference, ResolvedImage
from polyfleet_shared.errors import PolyfleetError
from polyfleet_shared.reasons import Reason


class RegistryFailure(PolyfleetError):  # noqa: N818 - a state of the world that is shown, not a mistake
    """Why an image could not be resolved; `message` names the image, and the registry's answer."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Registry(Protocol):
    """Knows what an image's name stands for at this moment."""

    def resolve(self, reference: ImageReference, *, known: ResolvedImage | None = None) -> ResolvedImage:
        """Ask the registry, within a bounded time.

        `known` is what the reference named before: the answer, if its tag has the same digest still. That
        takes one request, which registries with a quota do not count.

        Raises:
            RegistryFailure: it has no such image, or no answer.
        """
        ...
