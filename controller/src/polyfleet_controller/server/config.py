"""What `polyfleet-controller` is told: options, and environment variables for a unit's EnvironmentFile."""

import argparse
import ipaddress
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, NoReturn

import polyfleet_controller
from polyfleet_shared.errors import PolyfleetError

DEFAULT_DATA: Final = "/var/lib/polyfleet-controller"
DEFAULT_LISTEN: Final = "127.0.0.1:8080"
DEFAULT_BROKER_LISTEN: Final = "127.0.0.1:1883"
DEFAULT_REGISTRY_CERTS: Final = "/etc/containers/certs.d"
DEFAULT_TAG_INTERVAL: Final = "900"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")

_MAX_PORT: Final = 65535
_MAX_INTERVAL: Final = 7 * 24 * 3600
_SECONDS: Final = re.compile("[0-9]{1,9}")
_ENDPOINT: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_REGISTRY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


class ConfigurationError(PolyfleetError):
    """Names the option and what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A host, as a name or an address without brackets, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalBroker:
    """A broker that somebody else runs, and the account that its access list gives to the controller."""

    endpoint: Endpoint
    username: str | None
    password_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """`polyfleet-controller serve`. Without `broker`, one is run as a child that uses `broker_listen`."""

    data: Path
    database_url: str
    listen: Endpoint
    broker: ExternalBroker | None
    broker_listen: Endpoint
    insecure_registries: frozenset[str]
    registry_auth_file: Path | None
    registry_certs: Path
    tag_interval: timedelta
    log_level: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfigOptions:
    """`polyfleet-controller broker-config`."""

    listen: Endpoint
    directory: str
    access_list: bool


def read_options(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> ServeOptions | BrokerConfigOptions:
    """Read the command line; what is not on it, from the environment; what is in neither, by default.

    Raises:
        ConfigurationError: something cannot be read; the message names it.
    """
    parsed = _make_parser(environment).parse_args(arguments)
    if parsed.command == "broker-config":
        return BrokerConfigOptions(
            listen=_read_loopback("--listen", parsed.listen),
            directory=str(parsed.directory).rstrip("/") or "/",
            access_list=parsed.acl,
        )
    data = Path(parsed.data).absolute()
    return ServeOptions(
        data=data,
        database_url=parsed.database_url or f"sqlite:///{data}/polyfleet.db",
        listen=_read_loopback("--listen", parsed.listen),
        broker=_read_broker(parsed),
        broker_listen=_read_loopback("--broker-listen", parsed.broker_listen),
        insecure_registries=_read_registries(parsed.insecure_registry, environment),
        registry_auth_file=Path(parsed.registry_auth_file) if parsed.registry_auth_file else None,
        registry_certs=Path(parsed.registry_certs),
        tag_interval=_read_interval("--tag-interval", parsed.tag_interval),
        log_level=_read_log_level(parsed.log_level),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; see `{self.prog} --help`")


def _make_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="polyfleet-controller",
        description="Polyfleet's controller: decides which device runs what, and hears what they do run.",
        epilog="Every option of `serve` can be given as an environment variable: --broker-listen is "
        "POLYFLEET_BROKER_LISTEN. Exit code 255 means that the configuration is wrong.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=polyfleet_controller.__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="run the controller", allow_abbrev=False), environment)
    _add_broker_config(
        commands.add_parser(
            "broker-config", help="print the configuration for a Mosquitto of your own", allow_abbrev=False
        )
    )
    return parser


def _add_serve(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    def add(option: str, default: str | None, metavar: str, text: str) -> None:
        variable = "POLYFLEET_" + option.removeprefix("--").replace("-", "_").upper()
        shown = f"{text} (default: {default})" if default else text
        parser.add_argument(option, default=environment.get(variable) or default, metavar=metavar, help=shown)

    add("--data", DEFAULT_DATA, "DIR", "directory for the database and the broker's files")
    add("--database-url", None, "URL", "SQLite or PostgreSQL (default: a SQLite file in the data directory)")
    add("--listen", DEFAULT_LISTEN, "HOST:PORT", "where the API listens; loopback only")
    add("--broker", None, "HOST:PORT", "MQTT broker to use (default: run Mosquitto as a child)")
    add("--broker-username", None, "NAME", "account on that broker")
    add("--broker-password-file", None, "FILE", "file with its password")
    add("--broker-listen", DEFAULT_BROKER_LISTEN, "HOST:PORT", "where the child listens; loopback only")
    parser.add_argument(
        "--insecure-registry",
        action="append",
        metavar="HOST[:PORT]",
        help="registry to speak plain HTTP with; may be repeated "
        "(POLYFLEET_INSECURE_REGISTRIES holds several, separated by spaces)",
    )
    add("--registry-auth-file", None, "FILE", "credentials for registries, as `podman login` writes them")
    add("--registry-certs", DEFAULT_REGISTRY_CERTS, "DIR", "registries' private CAs: HOST[:PORT]/*.crt")
    add(
        "--tag-interval", DEFAULT_TAG_INTERVAL, "SECONDS", "how often a tag that is in use is looked at again"
    )
    add("--log-level", "info", "LEVEL", "debug, info, warning or error")


def _add_broker_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default=DEFAULT_BROKER_LISTEN, metavar="HOST:PORT")
    parser.add_argument(
        "--directory",
        default="/etc/mosquitto/polyfleet",
        metavar="DIR",
        help="where the access list, the password file and the broker's memory lie (default: %(default)s)",
    )
    parser.add_argument("--acl", action="store_true", help="print the access list instead")


def _read_endpoint(option: str, text: str) -> Endpoint:
    found = _ENDPOINT.fullmatch(text)
    if found is None or not 1 <= int(found["port"]) <= _MAX_PORT:
        raise ConfigurationError(f"{option}: {text!r} is no HOST:PORT, as in 127.0.0.1:1883")
    return Endpoint(host=found["v6"] or found["host"], port=int(found["port"]))


def _read_loopback(option: str, text: str) -> Endpoint:
    endpoint = _read_endpoint(option, text)
    host = "127.0.0.1" if endpoint.host == "localhost" else endpoint.host
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigurationError(
            f"{option}: {text!r} is not an address of loopback: nothing listens elsewhere before TLS and "
            "tokens come with enrolment; use 127.0.0.1 or [::1]"
        )
    return Endpoint(host=host, port=endpoint.port)


def _read_broker(parsed: argparse.Namespace) -> ExternalBroker | None:
    if not parsed.broker:
        if parsed.broker_username or parsed.broker_password_file:
            raise ConfigurationError("--broker-username and --broker-password-file: name the --broker too")
        return None
    if bool(parsed.broker_username) != bool(parsed.broker_password_file):
        raise ConfigurationError("--broker-username and --broker-password-file: give both or none")
    return ExternalBroker(
        endpoint=_read_endpoint("--broker", parsed.broker),
        username=parsed.broker_username,
        password_file=Path(parsed.broker_password_file) if parsed.broker_password_file else None,
    )


def _read_registries(given: list[str] | None, environment: Mapping[str, str]) -> frozenset[str]:
    registries = given or environment.get("POLYFLEET_INSECURE_REGISTRIES", "").split()
    for registry in registries:
        if _REGISTRY.fullmatch(registry) is None:
            raise ConfigurationError(f"--insecure-registry: {registry!r} is no HOST[:PORT]")
    return frozenset(registries)


def _read_interval(option: str, text: str) -> timedelta:
    if _SECONDS.fullmatch(text) is None or not 1 <= int(text) <= _MAX_INTERVAL:
        raise ConfigurationError(
            f"{option}: {text!r} is no whole number of seconds from 1 to {_MAX_INTERVAL}"
        )
    return timedelta(seconds=int(text))


def _read_log_level(text: str) -> int:
    if text not in LOG_LEVELS:
        raise ConfigurationError(f"--log-level: {text!r} is none of {', '.join(LOG_LEVELS)}")
    return logging.getLevelNamesMapping()[text.upper()]
