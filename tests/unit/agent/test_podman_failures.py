"""Podman's words, each with its reason.

They were collected from Podman 4.3 with runc and from 5.4 with crun, which tells less.
"""

import pytest

from polyfleet_agent.adapters.podman_failures import classify_failure
from polyfleet_shared.reasons import Reason

WORDS = {
    Reason.IMAGE_NOT_FOUND: (
        (
            "initializing source "
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            "00000000000: reading manifest "
            "sha256:0000000000000000000000000000000000000000000000000000000000000000 in "
            "registry.example/x: manifest unknown: manifest unknown"
        ),
        "manifest unknown: manifest unknown",
        "name unknown: repository name not known to registry",
        (
            "reading blob sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "
            "Error fetching blob: invalid status code from registry 404 (Not Found)"
        ),
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: image not known",
        ("no such image: ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff: image not known"),
    ),
    Reason.REGISTRY_UNREACHABLE: (
        (
            "initializing source "
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            "00000000000: pinging container registry registry.example: Get "
            '"https://registry.example/v2/": dial tcp 192.0.2.1:443: connect: connection refused'
        ),
        "connection refused",
        ("lookup registry.example on 192.0.2.53:53: dial udp 192.0.2.53:53: connect: network is unreachable"),
        "dial tcp: lookup registry.example: no such host",
        "dial tcp: lookup registry.example: Temporary failure in name resolution",
        "dial tcp 192.0.2.1:443: i/o timeout",
        "dial tcp 192.0.2.1:443: connect: no route to host",
        (
            'writing blob: storing blob to file "/var/tmp/storage4080862174/1": happened during '
            "read: read tcp 192.0.2.2:55472->192.0.2.1:443: read: connection reset by peer"
        ),
        (
            'pinging container registry registry.example: Get "https://registry.example/v2/": x509: '
            "certificate signed by unknown authority"
        ),
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
        "http: server gave HTTP response to HTTPS client",
        (
            "reading manifest "
            "sha256:0000000000000000000000000000000000000000000000000000000000000000 in "
            "registry.example/x: received unexpected HTTP status: 503 Service Unavailable"
        ),
        "toomanyrequests: You have reached your pull rate limit",
    ),
    Reason.REGISTRY_DENIED: (
        (
            "reading manifest "
            "sha256:0000000000000000000000000000000000000000000000000000000000000000 in "
            "registry.example/x: unauthorized: authentication required"
        ),
        "denied: requested access to the resource is denied",
        "unable to retrieve auth token: invalid username/password: unauthorized",
        "Error fetching blob: invalid status code from registry 403 (Forbidden)",
    ),
    Reason.DIGEST_MISMATCH: (
        (
            "determining manifest MIME type for "
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            "00000000000: Manifest does not match provided manifest digest "
            "sha256:0000000000000000000000000000000000000000000000000000000000000000"
        ),
        (
            'storing blob to file "/var/tmp/storage737312501/1": happened during read: Digest did '
            "not match, expected "
            "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, got "
            "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        ),
    ),
    Reason.SIGNATURE_REJECTED: (
        (
            "Source image rejected: Running image "
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            "00000000000 is rejected by policy."
        ),
        "Source image rejected: A signature was required, but no signature exists",
    ),
    Reason.DISK_FULL: (
        (
            'writing blob: storing blob to file "/var/tmp/storage968994213/1": write '
            "/var/tmp/storage968994213/1: no space left on device"
        ),
    ),
    Reason.NO_MATCHING_PLATFORM: (
        (
            "choosing an image from manifest list "
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            '00000000000: no image found in manifest list for architecture arm, variant "v7", OS '
            "linux"
        ),
    ),
    Reason.IMAGE_INVALID: (
        (
            'parsing image configuration: unsupported MIME type "application/vnd.example": '
            "docker://registry.example/x@sha256:00000000000000000000000000000000000000000000000000000"
            "00000000000"
        ),
    ),
    Reason.NAME_CONFLICT: (
        (
            'creating container storage: the container name "a" is already in use by 62c0e0b02959. '
            "You have to remove that container to be able to reuse that name: that name is already "
            "in use"
        ),
    ),
    Reason.COMMAND_NOT_FOUND: (
        (
            'runc: runc create failed: unable to start container process: exec: "/nope": stat /nope: '
            "no such file or directory: OCI runtime attempted to invoke a command that was not found"
        ),
        (
            'runc: runc create failed: unable to start container process: exec: "nope": executable '
            "file not found in $PATH: OCI runtime attempted to invoke a command that was not found"
        ),
        (
            "crun: executable file `/nope` not found: No such file or directory: OCI runtime "
            "attempted to invoke a command that was not found"
        ),
        (
            "crun: executable file `nope` not found in $PATH: No such file or directory: OCI runtime "
            "attempted to invoke a command that was not found"
        ),
    ),
    Reason.START_FAILED: (
        # Podman says the same of every file that is missing.
        (
            "crun: opening file `memory.max` for writing: No such file or directory: OCI runtime "
            "attempted to invoke a command that was not found"
        ),
        (
            'runc: runc create failed: unable to start container process: exec: "/etc": permission '
            "denied: OCI permission denied"
        ),
        (
            "runc: runc create failed: unable to start container process: error setting cgroup "
            "config for procHooks process: unable to set memory limit to 1024 (current usage: "
            "2535424): OCI runtime error"
        ),
        'workdir "/nope" does not exist on container d847e9ed3342',
        "words that nobody has heard before",
    ),
    Reason.PORT_CONFLICT: ("cannot listen on the TCP port: listen tcp4 :8081: bind: address already in use",),
    Reason.EXEC_FORMAT: ("crun: exec container process `/server`: Exec format error",),
    # From crun's sources.
    Reason.LOADER_MISSING: (
        "crun: exec container process (missing dynamic library?) `/server`: No such file or directory",
    ),
    Reason.PODMAN_UNAVAILABLE: ("Unable to make connection to UDS '/run/podman/podman.sock'",),
}


@pytest.mark.parametrize(
    ("words", "reason"), [(words, reason) for reason, texts in WORDS.items() for words in texts]
)
def test_podmans_words_have_a_reason(words: str, reason: Reason) -> None:
    assert classify_failure(words) is reason


def test_unknown_words_mean_what_was_being_done() -> None:
    assert (
        classify_failure("unknown: y", otherwise=Reason.REGISTRY_UNREACHABLE) is Reason.REGISTRY_UNREACHABLE
    )
