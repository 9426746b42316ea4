"""How Mosquitto must be set up for a fleet: its configuration, access list and password file as text.

Written for Mosquitto 2.0.11 (Debian 12) and later; mosquitto.conf(5) and mosquitto_passwd(1) describe the
formats.
"""

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

from polyfleet_controller.transport.connection import RECEIVE_MAXIMUM
from polyfleet_shared.topics import BROKER_PACKET_LIMIT, WIRE_VERSION

CONFIGURATION_FILE: Final = "mosquitto.conf"
ACCESS_FILE: Final = "access"
PASSWORD_FILE: Final = "passwords"  # noqa: S105 - the file's name
MEMORY_FILE: Final = "mosquitto.db"  # its default name
CONTROLLER_USER: Final = "polyfleet-controller"

SALT_BYTES: Final = 12
# Mosquitto's own number; the passwords here are random and long, so that more would guard nothing.
_ROUNDS: Final = 101


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One line of the configuration, and why it is there."""

    line: str
    reason: str


def render_configuration(*, host: str, port: int, directory: str) -> str:
    """The configuration of a broker that listens on host and port and keeps its files in directory."""
    lines: list[str] = []
    for option in _options(host=host, port=port, directory=directory):
        lines += [*(f"# {line}" for line in option.reason.splitlines()), option.line, ""]
    return "\n".join(lines)


def _options(*, host: str, port: int, directory: str) -> tuple[Option, ...]:
    return (
        Option(
            line=f"listener {port} {host}",
            reason="Loopback only: devices have no identity yet that a broker could check from elsewhere.",
        ),
        Option(
            line="allow_anonymous true",
            reason="For the devices. The controller has a password, and only it may do what the access\n"
            "list gives to its user.",
        ),
        Option(line=f"password_file {directory}/{PASSWORD_FILE}", reason="Who the controller is."),
        Option(
            line=f"acl_file {directory}/{ACCESS_FILE}",
            reason="A device writes and reads only below its own name, which is its client id.",
        ),
        Option(line="persistence true", reason="A broker that is stopped in good order forgets nothing."),
        Option(line=f"persistence_location {directory}/", reason=f"Where {MEMORY_FILE} lies."),
        Option(
            line="autosave_interval 60",
            reason="Seconds between two copies on disk. Whatever a killed broker forgets, devices and\n"
            "controller send again; the default would be half an hour.",
        ),
        Option(
            line="max_queued_messages 100000",
            reason="For each client. Mosquitto drops silently what is above it, 1,000 by default: of 10,000\n"
            "retained states 1,020 arrived.",
        ),
        Option(
            line=f"max_inflight_messages {RECEIVE_MAXIMUM}",
            reason="What is on its way to the controller while a batch is committed; 20 by default.",
        ),
        Option(
            line=f"max_packet_size {BROKER_PACKET_LIMIT}",
            reason="Above the controller's own bounds, so that it can refuse with a reason what is between:\n"
            "a client sends again for ever what the broker refuses.",
        ),
        Option(
            line="set_tcp_nodelay true",
            reason="Otherwise Nagle's algorithm makes every round trip take 44 ms.",
        ),
        Option(
            line="connection_messages false",
            reason="Ten thousand devices that come and go would be most of the log.",
        ),
        Option(line="sys_interval 0", reason="Nobody reads $SYS."),
        Option(line="log_dest stderr", reason="To whoever supervises the broker."),
        Option(line="log_timestamp false", reason="The supervisor's log has its own."),
        Option(line="log_type error", reason="What is wrong,"),
        Option(line="log_type warning", reason="what may be,"),
        Option(line="log_type notice", reason="and what the broker does as a whole; not each client's news."),
    )


def render_access_list() -> str:
    """The access list: `%c` is the client id, and Mosquitto refuses ids with a wildcard in them."""
    root = f"polyfleet/v{WIRE_VERSION}"
    return "\n".join(
        (
            "# A device, whose client id is its name.",
            f"pattern write {root}/%c/up/#",
            f"pattern read {root}/%c/down/#",
            "",
            "# The controller; it also clears what a deleted device has left.",
            f"user {CONTROLLER_USER}",
            f"topic readwrite {root}/#",
            "",
        )
    )


def render_password_file(user: str, password: str, *, salt: bytes) -> str:
    """One user, with the password's PBKDF2 hash as mosquitto_passwd writes it."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"{user}:$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}\n"
