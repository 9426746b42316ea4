"""Reading what the kernel says of a handler for foreign programs."""

import pytest

from polyfleet_controller.lab.binfmt import reaches_containers

REGISTRATION = (
    "{state}\ninterpreter /usr/libexec/qemu-binfmt/arm-binfmt-P\nflags: {flags}\noffset 0\nmagic 7f45\n"
)


@pytest.mark.parametrize(
    ("state", "flags", "reaches"),
    [
        ("enabled", "POCF", True),
        ("enabled", "F", True),
        ("disabled", "POCF", False),
        ("enabled", "POC", False),
        ("enabled", "", False),
    ],
)
def test_only_an_enabled_handler_with_its_interpreter_open_reaches_containers(
    *, state: str, flags: str, reaches: bool
) -> None:
    assert reaches_containers(REGISTRATION.format(state=state, flags=flags)) is reaches


def test_an_empty_registration_reaches_nothing() -> None:
    assert not reaches_containers("")
