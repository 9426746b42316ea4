"""A registry in memory."""

from polyfleet_agent.ports import RuntimeFailure
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.reasons import Reason


class FakeRegistry:
    """What can be pulled, by reference (`repository@child`), and what comes of it otherwise."""

    def __init__(self, *images: PinnedImage) -> None:
        self.reachable = True
        self.failures: dict[str, RuntimeFailure] = {}
        self._configs: dict[str, str] = {}
        for image in images:
            self.push(image)

    def push(self, image: PinnedImage) -> None:
        self._configs[image.reference] = image.config

    def delete(self, image: PinnedImage) -> None:
        self._configs.pop(image.reference, None)

    def fail(self, image: PinnedImage, reason: Reason, message: str = "as the test says") -> None:
        """Let every pull of it fail, until `heal`."""
        self.failures[image.reference] = RuntimeFailure(reason, message)

    def heal(self, image: PinnedImage) -> None:
        self.failures.pop(image.reference, None)

    def serve(self, image: PinnedImage) -> str:
        """The config that the image really has.

        Raises:
            RuntimeFailure: as a pull would.
        """
        if not self.reachable:
            raise RuntimeFailure(Reason.REGISTRY_UNREACHABLE, f"{image.repository}: connection refused")
        failure = self.failures.get(image.reference)
        if failure is not None:
            raise RuntimeFailure(failure.reason, failure.message)
        if image.reference not in self._configs:
            raise RuntimeFailure(Reason.IMAGE_NOT_FOUND, f"{image.reference}: manifest unknown")
        return self._configs[image.reference]
