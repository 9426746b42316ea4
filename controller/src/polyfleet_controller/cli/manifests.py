"""Manifest files: YAML or JSON, several documents each, read so that every mistake has its file and line.

All files of one command belong together: a ConfigMap may stand in another one than the Pod that refers to it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from polyfleet_controller.cli.failures import CommandError, ExitCode
from polyfleet_controller.cli.yaml_documents import YamlDocument, YamlError, read_yaml
from polyfleet_controller.domain.kubernetes.documents import FoundWorkload, read_documents
from polyfleet_controller.domain.manifest import WorkloadManifest
from polyfleet_shared.json_text import Problem

STDIN: Final = "-"

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_SIZE_LIMIT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """A document of a file; `number` counts them from 1."""

    file: str
    number: int
    document: YamlDocument

    def describe(self, problems: Sequence[Problem]) -> str:
        return "\n".join(
            f"{self.file}:{self.document.line_of(problem.path)}: document {self.number}: {problem}"
            for problem in problems
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestDocument:
    """A workload and where it stands; a document that is a List may hold several."""

    source: _Source
    found: FoundWorkload

    @property
    def file(self) -> str:
        """The file, as it was named."""
        return self.source.file

    @property
    def number(self) -> int:
        """The document in it, counted from 1."""
        return self.source.number

    @property
    def manifest(self) -> WorkloadManifest:
        """The workload."""
        return self.found.manifest

    def at_no_version(self) -> "ManifestDocument":
        """The same, whatever state the workload is in."""
        return replace(self, found=replace(self.found, manifest=self.manifest.at_version(None)))

    def describe(self, problems: Sequence[Problem]) -> str:
        """One line for each problem of the workload, with its place in the file."""
        return self.source.describe(self.found.origin.locate(tuple(problems)))


def read_manifests(places: Sequence[str]) -> tuple[ManifestDocument, ...]:
    """The workloads of every file, in order; `-` is stdin, a directory stands for its manifest files.

    Raises:
        CommandError: with everything that is wrong in all of them; then none should be applied.
    """
    sources: list[_Source | str] = []
    for file in _expand(places):
        sources += _read_sources(file)
    readings = iter(read_documents([each.document.document for each in sources if isinstance(each, _Source)]))
    documents: list[ManifestDocument] = []
    mistakes: list[str] = []
    for source in sources:
        if isinstance(source, str):
            mistakes.append(source)
            continue
        reading = next(readings)
        if reading.problems:
            mistakes.append(source.describe(reading.problems))
        documents += [ManifestDocument(source=source, found=found) for found in reading.workloads]
    mistakes += _repeated(documents)
    if mistakes:
        raise CommandError("nothing was applied:\n" + "\n".join(mistakes), ExitCode.INPUT)
    if not documents:
        raise CommandError(f"no manifest in {', '.join(map(_label, places))}", ExitCode.INPUT)
    return tuple(documents)


def _read_sources(file: str) -> Iterator[_Source | str]:
    """The documents of a file; of one that cannot be read, what is wrong."""
    label = _label(file)
    try:
        documents = read_yaml(_read(file))
    except YamlError as error:
        yield f"{label}:{error}"
        return
    for number, document in documents:
        yield _Source(file=label, number=number, document=document)


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


def _repeated(documents: Sequence[ManifestDocument]) -> Iterator[str]:
    """The order of documents must not decide what runs."""
    first: dict[tuple[str, str], ManifestDocument] = {}
    for document in documents:
        metadata = document.manifest.metadata
        earlier = first.setdefault((metadata.namespace, metadata.name), document)
        if earlier is not document:
            message = f"the workload is in {earlier.file}, document {earlier.number}, too"
            yield document.describe((Problem(path="metadata.name", message=message),))
