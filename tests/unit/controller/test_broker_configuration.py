"""What Mosquitto is given. Whether it does what that says, the integration tests ask it."""

import base64

from polyfleet_controller.transport.mosquitto import (
    render_access_list,
    render_configuration,
    render_password_file,
)


def test_every_line_of_the_configuration_has_its_reason() -> None:
    blocks = render_configuration(host="127.0.0.1", port=1883, directory="/etc/m").strip().split("\n\n")
    assert [block for block in blocks if not block.startswith("# ")] == []
    lines = [line for block in blocks for line in block.splitlines() if not line.startswith("#")]
    assert lines == [
        "listener 1883 127.0.0.1",
        "allow_anonymous true",
        "password_file /etc/m/passwords",
        "acl_file /etc/m/access",
        "persistence true",
        "persistence_location /etc/m/",
        "autosave_interval 60",
        "max_queued_messages 100000",
        "max_inflight_messages 2000",
        "max_packet_size 1048576",
        "set_tcp_nodelay true",
        "connection_messages false",
        "sys_interval 0",
        "log_dest stderr",
        "log_timestamp false",
        "log_type error",
        "log_type warning",
        "log_type notice",
    ]


def test_the_access_list_ties_a_device_to_its_own_topics() -> None:
    lines = [line for line in render_access_list().splitlines() if line and not line.startswith("#")]
    assert lines == [
        "pattern write polyfleet/v1/%c/up/#",
        "pattern read polyfleet/v1/%c/down/#",
        "user polyfleet-controller",
        "topic readwrite polyfleet/v1/#",
    ]


def test_the_password_file_holds_a_hash_and_not_the_password() -> None:
    # As mosquitto_passwd 2.0.11 wrote it, with the salt that it chose.
    salt = base64.b64decode("HhezUKzPKxrDNmSv")
    assert render_password_file("somebody", "secret", salt=salt) == (
        "somebody:$7$101$HhezUKzPKxrDNmSv$"
        "KDLNBdeWX1EFWCEObvAMPZlcxsA/uC3DGJXdLmwriiyoZmAeDvkPkFf2yiD7kuGvYH/wVNKvJV0Imc3K2xB89g==\n"
    )
