"""The configuration files of the lab's parts."""

import tomllib
from pathlib import Path

import yaml

from polyfleet_controller.lab.broker import BrokerSettings, render_mosquitto_config
from polyfleet_controller.lab.podman import PodmanStore, render_podman_files
from polyfleet_controller.lab.registry import KeyPair, Protection, TokenIssuer, render_registry_config


def test_a_registry_listens_on_loopback_and_lets_content_be_deleted() -> None:
    config = yaml.safe_load(render_registry_config(storage=Path("/srv/r"), port=5001, secret="abc"))  # noqa: S106 - an example
    assert config == {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": "/srv/r"}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:5001", "secret": "abc"},
    }


def test_a_registry_may_ask_for_passwords_over_tls() -> None:
    protection = Protection(
        passwords=Path("/srv/htpasswd"),
        tls=KeyPair(certificate=Path("/srv/c.crt"), key=Path("/srv/c.key")),
        clients=Path("/srv/ca.crt"),
    )
    config = yaml.safe_load(
        render_registry_config(storage=Path("/srv/r"), port=5001, secret="abc", protection=protection)  # noqa: S106 - an example
    )
    assert (config["auth"], config["http"]) == (
        {"htpasswd": {"realm": "polyfleet", "path": "/srv/htpasswd"}},
        {
            "addr": "127.0.0.1:5001",
            "secret": "abc",
            "tls": {"certificate": "/srv/c.crt", "key": "/srv/c.key", "clientcas": ["/srv/ca.crt"]},
        },
    )


def test_a_registry_may_ask_for_tokens() -> None:
    issuer = TokenIssuer(
        realm="http://127.0.0.1:5002/token", service="lab", name="issuer", certificate=Path("/srv/i.crt")
    )
    config = yaml.safe_load(
        render_registry_config(
            storage=Path("/srv/r"),
            port=5001,
            secret="abc",  # noqa: S106 - an example
            protection=Protection(issuer=issuer),
        )
    )
    assert config["auth"] == {
        "token": {
            "realm": "http://127.0.0.1:5002/token",
            "service": "lab",
            "issuer": "issuer",
            "rootcertbundle": "/srv/i.crt",
        }
    }


def test_a_broker_listens_on_loopback_with_the_limits_of_a_fleet() -> None:
    config = render_mosquitto_config(BrokerSettings(port=1884))
    assert config.splitlines() == [
        "listener 1884 127.0.0.1",
        "allow_anonymous true",
        "user root",
        "max_queued_messages 100000",
        "max_inflight_messages 1000",
        "max_packet_size 1048576",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "persistence false",
    ]


def test_a_persistent_broker_names_its_directory() -> None:
    config = render_mosquitto_config(BrokerSettings(port=1884, persistence=Path("/srv/b")))
    # With the slash: Mosquitto appends the file's name to it as it is.
    assert config.splitlines()[-2:] == ["persistence true", "persistence_location /srv/b/"]


def test_everything_of_a_podman_is_below_its_directory() -> None:
    files = render_podman_files(PodmanStore(directory=Path("/srv/p")), registry="127.0.0.1:5001")
    policy = Path("/srv/p/home/.config/containers/policy.json")
    assert files.pop(policy) == '{"default": [{"type": "insecureAcceptAnything"}]}\n'
    assert {path.name: tomllib.loads(content) for path, content in files.items()} == {
        "containers.conf": {
            "containers": {"default_ulimits": ["nofile=1024:1024", "nproc=4096:4096"]},
            "engine": {
                "runtime": "runc",
                "cgroup_manager": "cgroupfs",
                "events_logger": "file",
                "events_logfile_path": "/srv/p/events.log",
                "lock_type": "file",
                "tmp_dir": "/srv/p/scratch/libpod",
                "static_dir": "/srv/p/storage/libpod",
                "volume_path": "/srv/p/storage/volumes",
                "image_copy_tmp_dir": "/srv/p/scratch",
            },
            "network": {"network_backend": "netavark", "network_config_dir": "/srv/p/networks"},
        },
        "storage.conf": {
            "storage": {"driver": "overlay", "graphroot": "/srv/p/storage", "runroot": "/srv/p/run"}
        },
        "registries.conf": {"registry": [{"location": "127.0.0.1:5001", "insecure": True}]},
    }
