"""What the documents point to exists."""

import re

from architecture.sources import ROOT, files, read

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)(?:#[^)]*)?\)")
TARGET = re.compile(r"`make ([a-z][a-z-]*)")
PATH = re.compile(r"`((?:agent|controller|docs|shared|systemd|tests|tools)/[\w./-]*)`")


def test_links_and_paths_lead_somewhere() -> None:
    found = [
        f"{page}: {target}"
        for page in files(suffix=".md")
        for target in LINK.findall(CODE.sub("", read(page)))
        if not (ROOT / page.parent / target).exists()
    ]
    found += [
        f"{page}: {target}"
        for page in files(suffix=".md")
        for target in PATH.findall(read(page))
        if not (ROOT / target).exists()
    ]
    assert found == []


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", read("Makefile"), re.MULTILINE))
    named = {(str(page), target) for page in files(suffix=".md") for target in TARGET.findall(read(page))}
    assert {(page, target) for page, target in named if target not in targets} == set()


def test_every_decision_is_listed() -> None:
    listed = set(LINK.findall(read("docs/decisions/README.md")))
    assert listed == {path.name for path in files("docs/decisions") if path.name != "README.md"}
