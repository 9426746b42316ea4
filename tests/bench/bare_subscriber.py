"""What ingest is measured by: paho with manual acknowledgement, which does nothing but count.

`python bare_subscriber.py HOST:PORT USER PASSWORD COUNT` prints `ready`, and `done` after so many messages.
"""

import sys

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

RECEIVE_MAXIMUM = 2000


class Counter:
    """Counts messages, and acknowledges each."""

    def __init__(self, count: int) -> None:
        self._left = count

    def on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        self._left -= 1
        client.ack(message.mid, message.qos)
        if self._left == 0:
            print("done", flush=True)


def main(address: str, user: str, password: str, count: str) -> None:
    """Count until killed."""
    client = Client(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True)
    client.username_pw_set(user, password)
    client.on_message = Counter(int(count)).on_message
    client.on_connect = lambda client, *_rest: client.subscribe("polyfleet/v1/+/up/#", 1)
    client.on_subscribe = lambda *_rest: print("ready", flush=True)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it bare
    properties.ReceiveMaximum = RECEIVE_MAXIMUM
    host, port = address.rsplit(":", 1)
    client.connect(host, int(port), properties=properties)
    # In the main thread, without the socket pair that wakes a thread for every acknowledgement: paho at its
    # fastest.
    client.loop_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
