"""Which sensors must speak before an incident closes: its own, and what is connected.  Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from alerting.alarms import Alarm
from alerting.correlate import Correlator
from alerting.incidents import Incident
from alerting.windows import DEVICE_HAZARDS
from alerting.witnesses import Sensor
from detectors.plan import Plan, compile_plan
from detectors.threshold import Threshold
from lifeline.catalog import Catalog, Channel, Device, Rule

FRESH_S = 180.0
"""What is silent for longer is reported as silent."""
INTERVALS = 3.0
"""Of a slow sensor: what has missed so many values is silent."""
SENSORS_MAX = 256
"""Of one incident: the nearest ones."""


@dataclass(slots=True)
class Sensors:
    """The sensors that the network connects to incidents; remembers where devices stand."""

    knower: Correlator
    _devices: dict[str, list[str]] | None = field(default=None, init=False)
    _plan: Plan | None = field(default=None, init=False)

    @property
    def catalog(self) -> Catalog:
        """What stands where."""
        return self.knower.catalog

    def of(self, incident: Incident, members: Sequence[Alarm]) -> list[Sensor]:
        """Those of its alarms, and of everything connected that watches for the same.

        None for a device's own fault, which ends when the device speaks, and none for an exercise,
        whose readings are played.  Sorted by name.
        """
        if incident.drill or incident.hazard in DEVICE_HAZARDS:
            return []
        places = {(alarm.asset, alarm.hazard) for alarm in members}
        places = {(incident.asset, incident.hazard), *places}
        places = {place for place in places if place[1] not in DEVICE_HAZARDS}
        hazards = self.knower.alike(hazard for _, hazard in places)
        found: dict[str, Sensor] = {}
        for asset in self._around(places, incident):
            for device, channel in self._channels(asset):
                sensor = self._sensor(device, channel, hazards)
                if sensor is not None:
                    found.setdefault(sensor.channel, sensor)
                if len(found) >= SENSORS_MAX:
                    break
        for name in {name for alarm in members for name in self._spoken(alarm)} - found.keys():
            known = self.catalog.find(name)
            if known is not None:
                found[name] = self._asked(*known, (), hazards)
        return [found[name] for name in sorted(found)]

    def rules_in(self, zone: str) -> frozenset[str]:
        """The rules that judge something in a zone."""
        plan, head = self._planned(), self.catalog.head
        groups = {group.name for group in head.groups if group.zone == zone}
        found = {rule.id for rule in head.rules if groups.intersection(rule.groups)}
        for device in self.catalog.devices():
            if device.zone == zone:
                for channel in device.channels:
                    numbers = plan.rules_for(channel.quantity, channel.name)
                    found |= {plan.rules[n].rule.id for n in numbers}
        return frozenset(found)

    def _planned(self) -> Plan:
        if self._plan is None:
            self._plan = compile_plan(self.catalog.head.rules, self.catalog.head.limits)
        return self._plan

    def _around(self, places: Iterable[tuple[str, str]], incident: Incident) -> list[str]:
        near: dict[str, float] = {}
        for asset, hazard in places:
            for name, metres in self.knower.connected(asset, hazard, incident.lead).items():
                near[name] = min(metres, near.get(name, metres))
        return sorted(near, key=lambda name: (near[name], name))

    def _spoken(self, alarm: Alarm) -> tuple[str, ...]:
        """The channels whose readings an alarm is made of."""
        if alarm.hazard in DEVICE_HAZARDS:
            return ()
        groups = self.catalog.head.groups
        return next((g.channels for g in groups if g.name == alarm.channel), (alarm.channel,))

    def _channels(self, asset: str) -> Iterable[tuple[Device, Channel]]:
        if self._devices is None:
            self._devices = {}
            for device in self.catalog.devices():
                self._devices.setdefault(device.asset, []).append(device.name)
        for name in self._devices.get(asset, ()):
            found = self.catalog.device(name, keep=False)
            assert found is not None
            yield from ((found, channel) for channel in found.channels)

    def _sensor(self, device: Device, channel: Channel, hazards: frozenset[str]) -> Sensor | None:
        """The channel as one to ask, if a rule about one of the hazards watches it."""
        plan = self._planned()
        numbers = [
            n
            for n in plan.rules_for(channel.quantity, channel.name)
            if plan.rules[n].rule.hazard in hazards
        ]
        is_grouped = any(
            rule.hazard in hazards and self._is_of(rule, channel.name)
            for rule in self.catalog.head.rules
        )
        if not (numbers or is_grouped):
            return None
        limits = [plan.rules[n].detector for n in numbers]
        hard = [detector for detector in limits if isinstance(detector, Threshold)]
        return self._asked(device, channel, hard, hazards)

    def _is_of(self, rule: Rule, channel: str) -> bool:
        groups = self.catalog.head.groups
        return any(g.name in rule.groups and channel in g.channels for g in groups)

    @staticmethod
    def _asked(
        device: Device, channel: Channel, limits: Sequence[Threshold], hazards: frozenset[str]
    ) -> Sensor:
        return Sensor(
            channel.name,
            channel.unit,
            max(FRESH_S, INTERVALS * channel.interval_s, device.silent_after_s),
            min((d.limit for d in limits if d.side == "above"), default=None),
            max((d.limit for d in limits if d.side == "below"), default=None),
            hazards,
        )
