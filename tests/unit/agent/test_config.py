"""The agent's configuration: defaults for all of it, and every mistake by its name."""

from pathlib import Path

import pytest

from polyfleet_agent.config import (
    AgentConfig,
    BrokerSection,
    ConfigurationError,
    DeviceSection,
    LogLevel,
    LogSection,
    PullSection,
    ReportSection,
    StateSection,
    load_config,
)
from polyfleet_shared.platforms import Platform

PLATFORM_FORM = "write os/architecture[/variant], for example linux/arm/v7"


def write(directory: Path, text: str) -> Path:
    path = directory / "agent.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_key_can_be_set(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [device]
        name = "edge-7"
        platform = "linux/arm/v7"
        emulation = true
        labels = { "example.org/site" = "attic" }
        [broker]
        host = "broker.example"
        port = 8883
        keepalive = 30
        [pull]
        secrets = "/data/pull-secrets"
        [state]
        directory = "/data"
        [report]
        interval = 10
        [log]
        level = "debug"
        """,
    )
    assert load_config(path, required=True) == AgentConfig(
        device=DeviceSection(
            name="edge-7",
            platform=Platform.parse("linux/arm/v7"),
            emulation=True,
            labels={"example.org/site": "attic"},
        ),
        broker=BrokerSection(host="broker.example", port=8883, keepalive=30),
        pull=PullSection(secrets="/data/pull-secrets"),
        state=StateSection(directory="/data"),
        report=ReportSection(interval=10),
        log=LogSection(level=LogLevel.DEBUG),
    )


def test_without_a_file_the_defaults_hold_and_the_host_name_names_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Board-3.lan")
    config = load_config(tmp_path / "absent.toml", required=False)
    assert config == AgentConfig(device=DeviceSection(name="board-3"))


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, required=True)
    assert str(caught.value) == f"{path}: there is no such file"


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
        [device]
        platform = "pdp11"
        colour = "red"
        [broker]
        port = "1883"
        [log]
        level = "loud"
        """,
    )
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, required=True)
    assert sorted(str(caught.value).splitlines()) == [
        f'{path}: broker.port: expected a whole number, got the text "1883"',
        f"{path}: device.colour: unknown field",
        f"{path}: device.platform: 'pdp11' is no platform: {PLATFORM_FORM}",
        f'{path}: log.level: expected one of debug, info, warning, error, got the text "loud"',
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[broker]\nport = 70000", "broker: port is between 1 and 65535, not 70000"),
        ("[broker]\nkeepalive = 0", "broker: keepalive is between 1 and 65535 s, not 0"),
        ("[report]\ninterval = 0", "report: interval and telemetry are at least 1 s"),
        ("[device", "not TOML: Expected ']' at the end of a table declaration (at end of document)"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, required=True)
    assert str(caught.value) == f"{path}: {complaint}"


def test_a_host_name_that_is_no_device_name_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "my_board")
    path = write(tmp_path, "")
    with pytest.raises(ConfigurationError) as caught:
        load_config(path, required=True)
    assert str(caught.value).startswith(f"{path}: device.name is not set, and the host name is unfit: 'my_")
