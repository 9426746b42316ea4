"""Which state of a workload somebody has seen: Kubernetes' `resourceVersion`, an opaque text.

It is another one with every manifest. It names the manifest's content as well as its number: a restored
database counts the same numbers again for other manifests, and a workload that was deleted and made anew
begins to count anew.
"""

import hashlib

from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.codec import encode
from polyfleet_shared.json_text import JsonValue, dump_json

_SEPARATOR = "-"


def name_version(uid: str, generation: int, manifest: WorkloadManifest) -> str:
    """The resourceVersion of a workload that `manifest` is the newest of."""
    return f"{generation}{_SEPARATOR}{_digest(uid, manifest)}"


def is_version_of(version: str, uid: str, manifest: WorkloadManifest) -> bool:
    """Whether it was given while the workload had this manifest, whichever number that was."""
    return version.rpartition(_SEPARATOR)[2] == _digest(uid, manifest)


def _digest(uid: str, manifest: WorkloadManifest) -> str:
    """Fields that hold their default are left out: a version of ours that knows more gives the same."""
    content: dict[str, JsonValue] = {
        "uid": uid,
        "manifest": encode(manifest.at_version(None), omit_defaults=True),
    }
    return hashlib.sha256(dump_json(content)).hexdigest()[:16]
