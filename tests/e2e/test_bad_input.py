"""Bad input is refused with its path and its reason, told once, and delays nothing."""

import json
import subprocess
import sys

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from fixtures.fleet import FleetOfTest
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

TOPIC = "polyfleet/v1/dev-1/up/reported"


def publish(fleet: FleetOfTest, *payloads: bytes) -> None:
    """Send payloads as a device might, and wait until the broker has them."""
    client = Client(CallbackAPIVersion.VERSION2, client_id="bad-input", protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", fleet.broker.port)
    client.loop_start()
    try:
        for payload in payloads:
            client.publish(TOPIC, payload, qos=1).wait_for_publish(timeout=20)
    finally:
        client.disconnect()
        client.loop_stop()


STAMP = b'"stamp": {"incarnation": "x", "boot": 1, "seq": 1}'


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"{", "not JSON"),
        (b'{"version": 7}', "version: the number 7 is not spoken here"),
        (b'{"version": 1, "stamp": {"incarnation": "x", "boot": "7", "seq": true}}', "stamp.boot: expected"),
        (b'{"version": 1, ' + STAMP + b', "workloads": [{"uid": 7}]}', "workloads[0].uid: expected a text"),
        (b'{"padding": "' + b"x" * (300 * 1024) + b'"}', "are more than the 262144 allowed"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
    ],
    ids=["malformed", "version", "types", "nested-types", "between-the-bounds", "deep", "no-text"],
)
def test_a_message_is_refused_with_its_path_and_the_next_is_not_delayed(
    fleet: FleetOfTest, image: PushedImage, payload: bytes, complaint: str
) -> None:
    fleet.add_agent()
    fleet.wait_until_known("dev-1")
    publish(fleet, payload, payload)
    wait_until(
        lambda: any(complaint in line for line in fleet.device("dev-1")["refusals"]),
        describe=lambda: fleet.describe("dev-1"),
    )
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    log = fleet.controller.log.read_text(encoding="utf-8")
    assert log.count(complaint) == 1


def test_a_manifest_with_mistakes_is_refused_with_all_of_them(
    fleet: FleetOfTest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("manifests") / "wrong.yaml"
    path.write_text(
        """\
apiVersion: polyfleet.io/v1
kind: Workload
metadata:
  name: wrong
  colour: red
spec:
  template:
    spec:
      containers:
        - name: main
          image: localhost:5000/x:1
          ports: [{containerPort: "80"}]
          tty: true
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-c", "from polyfleet_controller.cli.root import main; main()"]
    completed = subprocess.run(
        [*command, "--server", fleet.controller.url, "apply", "-f", str(path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert completed.returncode == 2
    assert completed.stdout == ""
    for place in ("metadata.colour", "containers[0].ports[0].containerPort", "containers[0].tty"):
        assert place in completed.stderr
    assert fleet.controller.ask("GET", "/v1/workloads")["items"] == []


def test_a_desired_document_that_cannot_be_read_is_told_and_stops_nothing(
    fleet: FleetOfTest, image: PushedImage
) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    broken = json.dumps({"version": 1, "document": {"epoch": 9}}).encode()
    client = Client(CallbackAPIVersion.VERSION2, client_id="bad", protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", fleet.broker.port)
    client.loop_start()
    client.publish("polyfleet/v1/dev-1/down/desired", broken, qos=1).wait_for_publish(timeout=20)
    client.disconnect()
    client.loop_stop()
    fleet.wait_for_condition("dev-1", "invalid_document")
    assert "document.generation: missing" in agent.log.read_text(encoding="utf-8")
    assert fleet.runs("dev-1", image)
