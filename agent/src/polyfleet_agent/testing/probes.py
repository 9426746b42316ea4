"""What programs answer when they are asked how they are."""

from typing import assert_never

from polyfleet_agent.core.health import Answer
from polyfleet_shared.images import PinnedImage
from polyfleet_shared.probes import ExecAction, HttpGetAction, Probe, TcpSocketAction


class FakeProbes:
    """As a test says; `asked` counts how often any program was."""

    def __init__(self) -> None:
        self.asked = 0
        self._answers: dict[str, dict[str, Answer]] = {}

    def let_answer(self, image: PinnedImage, answers: dict[str, Answer]) -> None:
        """Say what programs of this image answer to a path, a port or a command; they know no others."""
        self._answers[image.config] = answers

    def answer(self, config: str, probe: Probe) -> Answer:
        """The answer of a program of the image with this config."""
        self.asked += 1
        about = _name(probe)
        unknown = Answer(succeeded=False, message=f"{about}: nobody there")
        return self._answers.get(config, {}).get(about, unknown)


def _name(probe: Probe) -> str:
    match probe.handler:
        case HttpGetAction(path=path):
            return path
        case TcpSocketAction(port=port):
            return str(port)
        case ExecAction(command=command):
            return " ".join(command)
        case _:
            assert_never(probe.handler)
