"""An idle agent's memory, beside that of a process that imports its libraries and holds a connection.

Proportional set size would flatter whichever shares more; both are measured as resident set size, in one run.
"""

import sys
from pathlib import Path

import psutil

from fixtures.fleet import FleetOfTest
from polyfleet_controller.lab.processes import ChildProcess
from polyfleet_controller.lab.push import PushedImage
from waiting import wait_until

AIM = 1.1
MIB = 1024 * 1024

BARE = """
import sys, threading
sys.modules["rich"] = None  # podman imports it where it is installed, as it is here but on no device
import paho.mqtt.client, psutil, podman
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

client = paho.mqtt.client.Client(
    CallbackAPIVersion.VERSION2, client_id="bare", protocol=MQTTProtocolVersion.MQTTv5
)
connected = threading.Event()
client.on_connect = lambda *_: connected.set()
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
connected.wait()
print("connected", flush=True)
threading.Event().wait()
"""


def test_agent_memory(fleet: FleetOfTest, image: PushedImage, tmp_path: Path) -> None:
    agent = fleet.add_agent()
    fleet.wait_until_known("dev-1")
    fleet.apply(image)
    fleet.wait_until_running(image, "dev-1")
    bare = ChildProcess.start([sys.executable, "-c", BARE, str(fleet.broker.port)], log=tmp_path / "bare.log")
    try:
        wait_until(lambda: "connected" in bare.log_tail(), describe=bare.log_tail)
        ours, theirs = _resident(agent.process.pid), _resident(bare.pid)
    finally:
        bare.stop()
    print("\nmemory of an idle agent with one workload, resident")
    print(f"  agent                             {ours / MIB:7.1f} MiB")
    print(f"  paho, psutil, podman, connected   {theirs / MIB:7.1f} MiB")
    print(f"  ratio                             {ours / theirs:7.2f}    (aim: {AIM} or less)")


def _resident(pid: int) -> int:
    """Of the program itself, not of what starts it."""
    process = psutil.Process(pid)
    programs = [process, *process.children(recursive=True)]
    return max(each.memory_info().rss for each in programs)
