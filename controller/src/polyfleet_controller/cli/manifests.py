"""Manifest files: YAML or JSON, several documents each, read so that every mistake has its file and line."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.yaml_documents import YamlDocument, YamlError, read_yaml
from polyfleet_controller.domain.manifest import WorkloadManifest, read_manifest
from polyfleet_shared.json_text import DecodeError, Problem

STDIN: Final = "-"

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_SIZE_LIMIT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestDocument:
    """A manifest and where it stands; `number` counts the documents of its file from 1."""

    file: str
    number: int
    source: YamlDocument
    manifest: WorkloadManifest

    def describe(self, problems: Sequence[Problem]) -> str:
        """One line for each problem, with its place."""
        return _describe(self.file, self.number, self.source, problems)


def read_manifests(places: Sequence[str]) -> tuple[ManifestDocument, ...]:
    """Every document of every file, in order; `-` is stdin, a directory stands for its manifest files.

    Raises:
        CommandError: with everything that is wrong in all of them; then none should be applied.
    """
    documents: list[ManifestDocument] = []
    mistakes: list[str] = []
    for file in _expand(places):
        try:
            sources = read_yaml(_read(file))
        except YamlError as error:
            mistakes.append(f"{_label(file)}:{error}")
            continue
        for number, source in sources:
            try:
                manifest = read_manifest(source.document)
            except DecodeError as error:
                mistakes.append(_describe(_label(file), number, source, error.problems))
            else:
                documents.append(
                    ManifestDocument(file=_label(file), number=number, source=source, manifest=manifest)
                )
    mistakes += _repeated(documents)
    if mistakes:
        raise CommandError("nothing was applied:\n" + "\n".join(mistakes), ExitCode.INPUT)
    if not documents:
        raise CommandError(f"no manifest in {', '.join(map(_label, places))}", ExitCode.INPUT)
    return tuple(documents)


def _expand(places: Sequence[str]) -> Iterator[str]:
    for place in places:
        path = Path(place)
        if place == STDIN or not path.is_dir():
            yield place
            continue
        files = sorted(str(file) for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
        if not files:
            raise CommandError(f"{place} holds no file that ends in {', '.join(_SUFFIXES)}", ExitCode.INPUT)
        yield from files


def _read(file: str) -> bytes:
    try:
        if file == STDIN:
            content = sys.stdin.buffer.read(_SIZE_LIMIT + 1)
        else:
            with Path(file).open("rb") as stream:
                content = stream.read(_SIZE_LIMIT + 1)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}", ExitCode.INPUT) from None
    if len(content) > _SIZE_LIMIT:
        raise CommandError(f"{_label(file)} is larger than {_SIZE_LIMIT} bytes", ExitCode.INPUT)
    return content


def _label(file: str) -> str:
    return "stdin" if file == STDIN else file


def _describe(file: str, number: int, source: YamlDocument, problems: Sequence[Problem]) -> str:
    return "\n".join(
        f"{file}:{source.line_of(problem.path)}: document {number}: {problem}" for problem in problems
    )


def _repeated(documents: Sequence[ManifestDocument]) -> Iterator[str]:
    """The order of documents must not decide what runs."""
    first: dict[tuple[str, str], ManifestDocument] = {}
    for document in documents:
        metadata = document.manifest.metadata
        earlier = first.setdefault((metadata.namespace, metadata.name), document)
        if earlier is not document:
            message = f"the workload is in {earlier.file}, document {earlier.number}, too"
            yield document.describe((Problem(path="metadata.name", message=message),))
