"""Another variant in an image's config, in a directory as image-spec, image-layout.md, has it."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from polyfleet_shared.platforms import Platform

_SHA256: Final = "sha256:"


def relabel(layout: Path, platform: Platform) -> None:
    """Let the layout's one image be for this platform; its layers stay as they are."""
    index = _load(layout / "index.json")
    [listed] = index["manifests"]
    manifest = _load(_blob(layout, listed["digest"]))
    config = _load(_blob(layout, manifest["config"]["digest"]))
    config |= {"os": platform.os, "architecture": platform.architecture}
    config.pop("variant", None)
    if platform.variant is not None:
        config["variant"] = platform.variant
    manifest["config"] |= _store(layout, config)
    listed |= _store(layout, manifest)
    (layout / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _store(layout: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Write a document as a blob; give the descriptor's fields that depend on it."""
    content = json.dumps(document).encode()
    digest = _SHA256 + hashlib.sha256(content).hexdigest()
    _blob(layout, digest).write_bytes(content)
    return {"digest": digest, "size": len(content)}


def _load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    return document


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix(_SHA256)
