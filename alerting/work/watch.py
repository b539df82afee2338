"""What a work order does to the zones connected with it: their watch and their context.  Pure.

A watch that has not begun follows its order, wherever that goes.  One that runs is never taken
away: gas may have come back, so its checks are ticked whatever became of the order.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from alerting import spans
from alerting.actions import Act
from alerting.incidents import Reason
from alerting.topology import Topology
from alerting.turn import Turn
from alerting.windows import WATCH_FACTOR, Check, Window
from alerting.work.orders import Order
from lifeline.model import Context
from lifeline.network import SIGNAL, SPACES

CONNECTED_M = 500.0
"""How far along the network, and through the spaces beside it, gas is looked for after work."""
CONTEXT = "work-order"


def connected(topology: Topology, order: Order) -> dict[str, tuple[str, ...]]:
    """Zone -> the assets to be watched there; empty: all of them, in the zones of the order."""
    found: dict[str, set[str]] = {}
    for asset in order.assets:
        kinds = SPACES | {edge.link.kind for edge in topology.edges(asset)} - {SIGNAL}
        for name in topology.within(asset, CONNECTED_M, kinds):
            known = topology.asset(name)
            assert known is not None, "links end at assets that are declared"
            found.setdefault(known.zone, set()).add(name)
    for zone in order.zones:
        found[zone] = set()
    return {zone: tuple(sorted(found[zone])) for zone in sorted(found)}


def window_id(order: str, zone: str, revision: int = 1) -> str:
    """The name of a watch: one word that an address can carry, whatever the order is called."""
    told = f"{order}|{zone}|{revision}".encode()
    return f"work-{hashlib.blake2b(told, digest_size=12).hexdigest()}"


def window_of(order: Order, zone: str, assets: tuple[str, ...], revision: int) -> Window:
    """The watch of a zone; of an order that comes back after its watch has ended, another one."""
    return Window(
        id=window_id(order.id, zone, revision),
        kind="work-watch",
        author="",
        reason=f"{order.kind} {order.id} {order.contractor}",
        zone=zone,
        assets=assets,
        from_ms=order.watch_from_ms,
        until_ms=order.watch_until_ms,
        work=order.id,
        factor=WATCH_FACTOR,
        checks=tuple(Check(name) for name in order.checks),
    )


def settle(
    turn: Turn, order: Order, places: Mapping[str, tuple[str, ...]], known: Mapping[str, str],
    actor: str, revision: int, channel: str,
) -> dict[str, str]:  # fmt: skip
    """Opens, moves and ends watches as the order has it now; returns zone -> window.

    ``known`` are the windows of its zones so far.
    """
    windows: dict[str, str] = {}
    for zone in sorted({*places, *known}):
        window = turn.slice.windows.get(known.get(zone, ""))
        is_wanted = order.state == "planned" and zone in places
        if window is not None:
            windows[zone] = window.id
        if is_wanted and (window is None or window.ended_ms is not None):
            opened = window_of(order, zone, places[zone], revision)
            if opened.until_ms > turn.now_ms:
                act = Act(action="open-window", actor=actor, opening=opened, channel=channel)
                spans.act(turn, act)
                windows[zone] = opened.id
        elif is_wanted and window is not None:
            _move(turn, order, window, places[zone], actor, channel)
        elif window is not None and window.ended_ms is None and turn.now_ms < window.from_ms:
            spans.end(turn, window, actor)
            _record(turn, window, actor, Reason.WINDOW_ENDED, "end-window", channel, order.state)
    return windows


def _move(
    turn: Turn, order: Order, window: Window, assets: tuple[str, ...], actor: str, channel: str
) -> None:
    wanted = window_of(order, window.zone, assets, 1)
    has_begun = turn.now_ms >= window.from_ms
    checks = {check.name: check for check in (*wanted.checks, *window.checks)}
    moved = msgspec.structs.replace(
        window,
        # What is watched already stays watched, and no check is lost.
        from_ms=window.from_ms if has_begun else wanted.from_ms,
        until_ms=max(wanted.until_ms, window.until_ms) if has_begun else wanted.until_ms,
        assets=window.assets if has_begun and not window.assets else wanted.assets,
        reason=wanted.reason,
        checks=tuple(checks.values()),
    )
    if moved == window:
        return
    turn.keep_window(moved)
    turn.schedule("window", moved.id, moved.zone, max(moved.until_ms, turn.now_ms))
    _record(turn, moved, actor, Reason.WINDOW_OPENED, "move-window", channel, order.id)


def _record(
    turn: Turn, window: Window, actor: str, reason: Reason, action: str, channel: str, note: str
) -> None:
    turn.record(
        None,
        actor,
        reason,
        action=action,
        note=note,
        channel=channel,
        zone=window.zone,
        subject=f"window {window.id}",
    )


def contexts(
    order: Order, places: Mapping[str, tuple[str, ...]], known: Mapping[str, str], now_ms: int,
    revision: int,
) -> list[Context]:  # fmt: skip
    """What the detectors of each zone are told, in place of what they were told before."""
    made: list[Context] = []
    for zone in sorted({*places, *known}):
        holds = order.state == "planned" and zone in places
        until_ms = order.watch_until_ms if holds else now_ms
        detail: dict[str, str | float] = {
            "id": f"work/{order.id}",
            "revision": float(revision),
            "work": order.id,
            "kind": order.kind,
            "contractor": order.contractor,
            "ends_ms": float(order.until_ms),
        }
        made.append(Context(zone, CONTEXT, min(order.from_ms, until_ms), until_ms, detail))
    return made
