"""How `polyfleet-controller` reads its command line and environment."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from polyfleet_controller.server.config import (
    BrokerConfigOptions,
    ConfigurationError,
    Endpoint,
    ExternalBroker,
    ServeOptions,
    read_options,
)


def test_nothing_needs_to_be_configured() -> None:
    assert read_options(["serve"], {}) == ServeOptions(
        data=Path("/var/lib/polyfleet-controller"),
        database_url="sqlite:////var/lib/polyfleet-controller/polyfleet.db",
        listen=Endpoint(host="127.0.0.1", port=8080),
        broker=None,
        broker_listen=Endpoint(host="127.0.0.1", port=1883),
        insecure_registries=frozenset(),
        registry_auth_file=None,
        registry_certs=Path("/etc/containers/certs.d"),
        tag_interval=timedelta(minutes=15),
        log_level=logging.INFO,
    )


def test_every_option_can_come_from_the_environment() -> None:
    environment = {
        "POLYFLEET_DATA": "/srv/fleet",
        "POLYFLEET_DATABASE_URL": "postgresql+psycopg://db/fleet",
        "POLYFLEET_LISTEN": "[::1]:8443",
        "POLYFLEET_BROKER": "broker.example:1884",
        "POLYFLEET_BROKER_USERNAME": "fleet",
        "POLYFLEET_BROKER_PASSWORD_FILE": "/run/secret",
        "POLYFLEET_BROKER_LISTEN": "localhost:1885",
        "POLYFLEET_INSECURE_REGISTRIES": "127.0.0.1:5000 registry.example",
        "POLYFLEET_REGISTRY_AUTH_FILE": "/run/auth.json",
        "POLYFLEET_REGISTRY_CERTS": "/run/certs.d",
        "POLYFLEET_TAG_INTERVAL": "60",
        "POLYFLEET_LOG_LEVEL": "debug",
    }
    assert read_options(["serve"], environment) == ServeOptions(
        data=Path("/srv/fleet"),
        database_url="postgresql+psycopg://db/fleet",
        listen=Endpoint(host="::1", port=8443),
        broker=ExternalBroker(
            endpoint=Endpoint(host="broker.example", port=1884),
            username="fleet",
            password_file=Path("/run/secret"),
        ),
        broker_listen=Endpoint(host="127.0.0.1", port=1885),
        insecure_registries=frozenset({"127.0.0.1:5000", "registry.example"}),
        registry_auth_file=Path("/run/auth.json"),
        registry_certs=Path("/run/certs.d"),
        tag_interval=timedelta(minutes=1),
        log_level=logging.DEBUG,
    )


def test_the_command_line_wins_over_the_environment() -> None:
    options = read_options(
        ["serve", "--listen", "127.0.0.1:1", "--insecure-registry", "a:1", "--insecure-registry", "b"],
        {"POLYFLEET_LISTEN": "127.0.0.1:2", "POLYFLEET_INSECURE_REGISTRIES": "c"},
    )
    assert isinstance(options, ServeOptions)
    assert options.listen.port == 1
    assert options.insecure_registries == {"a:1", "b"}


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    assert read_options(["serve"], {"POLYFLEET_BROKER": "", "POLYFLEET_DATA": ""}) == read_options(
        ["serve"], {}
    )


def test_the_broker_configuration_is_for_debian_by_default() -> None:
    assert read_options(["broker-config"], {}) == BrokerConfigOptions(
        listen=Endpoint(host="127.0.0.1", port=1883), directory="/etc/mosquitto/polyfleet", access_list=False
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--listen", "0.0.0.0:8080"], "--listen: '0.0.0.0:8080' is not an address of loopback"),
        (
            ["serve", "--listen", "fleet.example:80"],
            "--listen: 'fleet.example:80' is not an address of loopback",
        ),
        (
            ["serve", "--broker-listen", "[::]:1883"],
            "--broker-listen: '[::]:1883' is not an address of loopback",
        ),
        (
            ["broker-config", "--listen", "10.0.0.1:1883"],
            "--listen: '10.0.0.1:1883' is not an address of loop",
        ),
        (["serve", "--listen", "8080"], "--listen: '8080' is no HOST:PORT, as in 127.0.0.1:1883"),
        (["serve", "--listen", "127.0.0.1:0"], "--listen: '127.0.0.1:0' is no HOST:PORT"),
        (["serve", "--broker", "mqtt://b:1"], "--broker: 'mqtt://b:1' is no HOST:PORT"),
        (
            ["serve", "--broker-username", "u"],
            "--broker-username and --broker-password-file: name the --broker",
        ),
        (
            ["serve", "--broker", "b:1", "--broker-username", "u"],
            "--broker-username and --broker-password-file: g",
        ),
        (["serve", "--insecure-registry", "http://r"], "--insecure-registry: 'http://r' is no HOST[:PORT]"),
        (["serve", "--log-level", "loud"], "--log-level: 'loud' is none of debug, info, warning, error"),
        (
            ["serve", "--tag-interval", "0"],
            "--tag-interval: '0' is no whole number of seconds from 1 to 604800",
        ),
        (
            ["serve", "--tag-interval", "604801"],
            "--tag-interval: '604801' is no whole number of seconds from 1",
        ),
        (["serve", "--tag-interval", "1.5"], "--tag-interval: '1.5' is no whole number of seconds from 1 to"),
        (["serve", "--tag-interval", "9" * 5000], "--tag-interval: '9999"),
        (["serve", "--port", "1"], "unrecognized arguments: --port 1; see `polyfleet-controller --help`"),
        (["start"], "argument COMMAND: invalid choice: 'start'"),
        ([], "the following arguments are required: COMMAND; see `polyfleet-controller --help`"),
    ],
)
def test_a_mistake_is_named_by_its_option(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_options(arguments, {})
    assert str(caught.value).startswith(message)


def test_a_mistake_in_the_environment_is_named_too() -> None:
    with pytest.raises(ConfigurationError, match=r"^--listen: '0\.0\.0\.0:80' is not an address of loopback"):
        read_options(["serve"], {"POLYFLEET_LISTEN": "0.0.0.0:80"})
