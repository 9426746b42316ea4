"""The commented files in systemd/ say what the programs do."""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import typer
import yaml

from polyfleet_agent.config import AgentConfig, load_config
from polyfleet_controller.cli.image import app
from polyfleet_controller.domain.manifest import read_manifest
from polyfleet_controller.server.config import ServeOptions, read_options
from polyfleet_shared.reasons import Reason

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"

# What depends on the device: shown as an example, not as the default.
EXAMPLES = {("device", "name"), ("device", "platform"), ("device", "labels")}


def uncomment(path: Path) -> str:
    """Return the file with its settings in force: `#key = value` is one, `# Words` is not."""
    return re.sub(r"^#(?=[A-Za-z_]+ ?=)", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_agents_file_changes_nothing_until_it_is_edited(tmp_path: Path) -> None:
    shipped = load_config(SYSTEMD / "agent.toml", required=True)
    assert shipped == load_config(tmp_path / "none", required=False)


def test_the_agents_file_shows_every_key_with_its_default(tmp_path: Path) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(uncomment(SYSTEMD / "agent.toml"), encoding="utf-8")
    shown = load_config(path, required=True)
    keys = {
        (section.name, key.name)
        for section in dataclasses.fields(AgentConfig)
        for key in dataclasses.fields(getattr(shown, section.name))
    }
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert {(section, key) for section, content in document.items() for key in content} == keys
    defaults = AgentConfig()
    assert {
        (section, key)
        for section, key in keys
        if getattr(getattr(shown, section), key) != getattr(getattr(defaults, section), key)
    } == EXAMPLES


def test_the_controllers_file_shows_every_variable() -> None:
    text = uncomment(SYSTEMD / "controller.env")
    shown = dict(re.findall(r"^(POLYFLEET_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    options = {field.name for field in dataclasses.fields(ServeOptions)}
    broker = {"broker_username", "broker_password_file"}
    assert {name.removeprefix("POLYFLEET_").lower() for name in shown} == options | broker


def test_the_controllers_file_shows_the_defaults() -> None:
    text = uncomment(SYSTEMD / "controller.env")
    shown = dict(re.findall(r"^(POLYFLEET_[A-Z_]+)=(.*)$", text, re.MULTILINE))
    chosen = {"POLYFLEET_DATABASE_URL", "POLYFLEET_REGISTRY_AUTH_FILE"}
    chosen |= {name for name in shown if name.startswith("POLYFLEET_BROKER")}
    chosen.remove("POLYFLEET_BROKER_LISTEN")
    as_shown = read_options(["serve"], {name: value for name, value in shown.items() if name not in chosen})
    assert as_shown == read_options(["serve"], {})
    assert read_options(["serve"], shown) != as_shown


def test_the_manifest_in_the_readme_is_taken() -> None:
    readme = (SYSTEMD.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert [read_manifest(yaml.safe_load(block)).metadata.name for block in blocks] == ["hello"]


def test_every_reason_is_explained_to_the_technician() -> None:
    page = (SYSTEMD.parent / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []


def test_the_guide_to_images_names_options_that_there_are() -> None:
    guide = (SYSTEMD.parent / "docs/images.md").read_text(encoding="utf-8")
    lines = re.sub(
        r"\\\n", " ", "\n".join(re.findall(r"^```sh\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL))
    )
    image: Any = typer.main.get_command(app)
    named = [line.split() for line in lines.splitlines() if line.startswith("polyfleet image ")]
    assert {words[2] for words in named} == {"build", "inspect", "check"}
    for words in named:
        options = {option for each in image.commands[words[2]].params for option in each.opts}
        assert {word for word in words if word.startswith("-")} <= options
