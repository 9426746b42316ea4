"""Messages of this device, each stamped with its place in the device's history."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from polyfleet_agent import __version__
from polyfleet_agent.core.actions import PublishReported
from polyfleet_agent.ports import DetectedPlatform, Identity, Usage
from polyfleet_shared.features import Feature
from polyfleet_shared.messages import (
    Condition,
    HostFacts,
    Inventory,
    Presence,
    Reported,
    Stamp,
    Telemetry,
)
from polyfleet_shared.reasons import Reason
from polyfleet_shared.topics import WIRE_VERSION, Channel
from polyfleet_shared.wire import OversizedMessageError, encode_message

# What this agent understands beyond the first wire version's base; a workload lists what it `requires`.
FEATURES: Final[frozenset[str]] = frozenset(feature.value for feature in Feature)


class Composer:
    """Counts `seq` per channel, within this boot."""

    def __init__(self, identity: Identity, labels: Mapping[str, str]) -> None:
        self._identity = identity
        self._labels = labels
        self._sent: Counter[Channel] = Counter()

    def presence(self, connection: int, since: datetime, *, online: bool) -> bytes:
        """Presence, or the will that ends it."""
        return encode_message(
            Presence(
                incarnation=self._identity.incarnation,
                boot=self._identity.boot,
                connection=connection,
                online=online,
                since=since,
            )
        )

    def inventory(self, detected: DetectedPlatform, facts: HostFacts) -> bytes:
        """What the device is."""
        return encode_message(
            Inventory(
                stamp=self._stamp(Channel.INVENTORY),
                agent_version=__version__,
                wire_versions=(WIRE_VERSION,),
                features=tuple(sorted(FEATURES)),
                platform=detected.platform,
                platform_source=detected.source,
                platforms=detected.platforms,
                host=facts,
                labels=self._labels,
            )
        )

    def reported(self, action: PublishReported) -> bytes:
        """What the device runs. What does not fit is left out, and a condition says so."""
        message = Reported(
            stamp=self._stamp(Channel.REPORTED),
            observed=action.observed,
            conditions=action.conditions,
            workloads=action.workloads,
        )
        try:
            return encode_message(message)
        except OversizedMessageError as error:
            condition = Condition(reason=Reason.OVERSIZED_DOCUMENT, message=str(error))
            return encode_message(replace(message, conditions=(*message.conditions, condition), workloads=()))

    def telemetry(self, usage: Usage, at: datetime) -> bytes:
        """How busy the device is."""
        return encode_message(
            Telemetry(
                stamp=self._stamp(Channel.TELEMETRY),
                at=at,
                cpu_percent=usage.cpu_percent,
                memory_used=usage.memory_used,
                memory_total=usage.memory_total,
                disk_used=usage.disk_used,
                disk_total=usage.disk_total,
                temperature=usage.temperature,
            )
        )

    def _stamp(self, channel: Channel) -> Stamp:
        self._sent[channel] += 1
        return Stamp(
            incarnation=self._identity.incarnation, boot=self._identity.boot, seq=self._sent[channel]
        )
