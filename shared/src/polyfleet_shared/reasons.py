"""Why something is not as desired: a closed list, each with one plain sentence and one next step."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """A cause that a person can act on. On the wire and in the API by its value."""

    # the image
    EXEC_FORMAT = "exec_format"
    ILLEGAL_INSTRUCTION = "illegal_instruction"
    CPU_TOO_OLD = "cpu_too_old"
    PLATFORM_MISMATCH = "platform_mismatch"
    LOADER_MISSING = "loader_missing"
    PAGE_SIZE_UNSUPPORTED = "page_size_unsupported"
    NO_MATCHING_PLATFORM = "no_matching_platform"
    PLATFORM_LOST = "platform_lost"
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_INVALID = "image_invalid"
    DIGEST_MISMATCH = "digest_mismatch"
    SIGNATURE_REJECTED = "signature_rejected"
    REGISTRY_UNREACHABLE = "registry_unreachable"
    REGISTRY_DENIED = "registry_denied"
    # the device
    DISK_FULL = "disk_full"
    STATE_UNUSABLE = "state_unusable"
    PODMAN_UNAVAILABLE = "podman_unavailable"
    PORT_CONFLICT = "port_conflict"
    NAME_CONFLICT = "name_conflict"
    SECRET_MISSING = "secret_missing"  # noqa: S105 - a reason, and no password
    UNSUPPORTED_FEATURE = "unsupported_feature"
    INVALID_DOCUMENT = "invalid_document"
    # the workload
    COMMAND_NOT_FOUND = "command_not_found"
    OOM_KILLED = "oom_killed"
    SEGMENTATION_FAULT = "segmentation_fault"
    CRASH_LOOP = "crash_loop"
    EXITED = "exited"
    PROBE_FAILED = "probe_failed"
    START_TIMEOUT = "start_timeout"
    START_FAILED = "start_failed"
    # the fleet
    AWAITS_ROLLOUT = "awaits_rollout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    DUPLICATE_DEVICE = "duplicate_device"
    OVERSIZED_DOCUMENT = "oversized_document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`sentence` says what happened; `next_step` what a technician does about it.

    A transient reason goes away by itself once its cause does: work is retried, and no release is
    ever remembered as failed for it.
    """

    sentence: str
    next_step: str
    transient: bool


def _lasting(sentence: str, next_step: str) -> Explanation:
    return Explanation(sentence=sentence, next_step=next_step, transient=False)


def _transient(sentence: str, next_step: str) -> Explanation:
    return Explanation(sentence=sentence, next_step=next_step, transient=True)


EXPLANATIONS: Final[dict[Reason, Explanation]] = {
    Reason.EXEC_FORMAT: _lasting(
        "The image's program is built for another processor.",
        "Rebuild the image for this device's platform and push it under the same tag.",
    ),
    Reason.ILLEGAL_INSTRUCTION: _lasting(
        "The program used an instruction that this processor does not have.",
        "Build it for an older processor level, or publish a variant for this one.",
    ),
    Reason.CPU_TOO_OLD: _lasting(
        "The image's system library needs a newer processor than this one.",
        "Use a base image for an older processor level.",
    ),
    Reason.PLATFORM_MISMATCH: _lasting(
        "The image claims a platform that its program is not built for.",
        "Fix the image's build: its label and its program disagree.",
    ),
    Reason.LOADER_MISSING: _lasting(
        "The program needs a system library's loader that the image does not contain.",
        "Link the program statically, or build it on the same base image that it runs on (glibc or musl).",
    ),
    Reason.PAGE_SIZE_UNSUPPORTED: _lasting(
        "The program was built for another size of memory pages than this device's kernel uses.",
        "Build it for pages of up to 64 KiB, or boot a kernel with 4 KiB pages.",
    ),
    Reason.NO_MATCHING_PLATFORM: _lasting(
        "The image has no variant that this device can run.",
        "Publish the image for this device's platform, or take the device out of the workload's targets.",
    ),
    Reason.PLATFORM_LOST: _lasting(
        "The image's tag no longer has a platform that devices here run.",
        "Publish the tag again with this platform; what runs is not touched.",
    ),
    Reason.IMAGE_NOT_FOUND: _transient(
        "The registry does not have this image.",
        "Check the name and the tag, or push the image.",
    ),
    Reason.IMAGE_INVALID: _lasting(
        "What the registry holds under this name is no usable container image.",
        "Look at it with an image tool, and push it again.",
    ),
    Reason.DIGEST_MISMATCH: _lasting(
        "The image that arrived is not the one the release names.",
        "Check the registry and any mirror between it and the device.",
    ),
    Reason.SIGNATURE_REJECTED: _lasting(
        "This device's policy does not accept the image's signature.",
        "Sign the image with a key that /etc/containers/policy.json names.",
    ),
    Reason.REGISTRY_UNREACHABLE: _transient(
        "The registry does not answer.",
        "Check the network, DNS and proxy between here and the registry; work goes on by itself after that.",
    ),
    Reason.REGISTRY_DENIED: _transient(
        "The registry refused these credentials.",
        "Log in to the registry again, or grant access to the repository.",
    ),
    Reason.DISK_FULL: _transient(
        "The device's disk is full.",
        "Free space on the device; work goes on by itself after that.",
    ),
    Reason.STATE_UNUSABLE: _transient(
        "The agent cannot use its state directory.",
        "Check the directory's owner, whether its disk is mounted read-only, and the disk's health.",
    ),
    Reason.PODMAN_UNAVAILABLE: _transient(
        "Podman does not answer on its socket.",
        "Look at `systemctl status podman.socket` and start it; the agent goes on by itself after that.",
    ),
    Reason.PORT_CONFLICT: _transient(
        "Another program on the device uses the port.",
        "Stop the other program, or give the workload another hostPort.",
    ),
    Reason.NAME_CONFLICT: _transient(
        "A container with this name exists that Polyfleet did not make.",
        "Rename or remove that container.",
    ),
    Reason.SECRET_MISSING: _transient(
        "A secret that the workload needs is not on the device.",
        "Create it on the device with the command in the message; the agent goes on by itself after that.",
    ),
    Reason.UNSUPPORTED_FEATURE: _lasting(
        "The workload needs something that this agent is too old to do.",
        "Upgrade the agent on this device.",
    ),
    Reason.INVALID_DOCUMENT: _lasting(
        "The device cannot read what the controller sent.",
        "Upgrade the agent, or the controller, to versions that speak the same wire version.",
    ),
    Reason.COMMAND_NOT_FOUND: _lasting(
        "The image does not contain the program it should start.",
        "Correct the workload's command, or the image's entrypoint.",
    ),
    Reason.OOM_KILLED: _lasting(
        "The container needed more memory than its limit and was killed.",
        "Raise the workload's memory limit, or find what uses the memory.",
    ),
    Reason.SEGMENTATION_FAULT: _lasting(
        "The program reached for memory that is not its own, and was killed.",
        "If it happens on one platform only, look at that platform's build; else read the container's log.",
    ),
    Reason.CRASH_LOOP: _lasting(
        "The container ends again and again soon after it starts.",
        "Read the container's log on the device with `podman logs`.",
    ),
    Reason.EXITED: _transient(
        "The container ended.",
        "It is started again by itself as its restart policy says; its log tells why it ended.",
    ),
    Reason.PROBE_FAILED: _lasting(
        "The container runs but does not answer its probe.",
        "Check what the probe asks for, and the container's log.",
    ),
    Reason.START_TIMEOUT: _transient(
        "The container did not start in time.",
        "Check the load of the device, and the container's log.",
    ),
    Reason.START_FAILED: _transient(
        "Podman could not start the container.",
        "The message holds Podman's own words; it is tried again by itself.",
    ),
    Reason.AWAITS_ROLLOUT: _transient(
        "The workload's rollout has not come to this device yet.",
        "Nothing is to be done here: `polyfleet rollout show NAME` says what it waits for.",
    ),
    Reason.DEADLINE_EXCEEDED: _transient(
        "The device did not prove in time that it runs the release.",
        "See whether the device is online, and what it reports; then run `polyfleet rollout retry`.",
    ),
    Reason.DUPLICATE_DEVICE: _lasting(
        "Two machines use this device's name.",
        "Give one of them a name of its own, then run `polyfleet device resolve NAME`.",
    ),
    Reason.OVERSIZED_DOCUMENT: _lasting(
        "What this device should run does not fit into one document.",
        "Run fewer workloads on it, or make their environment smaller.",
    ),
}


def explain(reason: Reason) -> Explanation:
    """The plain words for a reason; every reason has them."""
    return EXPLANATIONS[reason]
