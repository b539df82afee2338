"""Structured logs, every Prometheus metric, and the loopback port that shows both.  A shell.

Metrics are defined here and nowhere else, so that the list in ``docs/operations.md`` has one
source. Labels are bounded: lifelines, reasons, targets, partitions; never a device or a channel.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import sys
import time
from importlib.metadata import version
from typing import Any

import structlog
from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
    generate_latest,
)

from lifeline.config import Telemetry

PORTS = {
    "ingest": 9101,
    "detect": 9102,
    "archive": 9103,
    "router": 9104,
    "console": 9105,
    "watchdog": 9106,
}
"""Default port of each service's /metrics, /healthz and /readyz; ingest instance k adds 10 k."""

LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)

disable_created_metrics()  # type: ignore[no-untyped-call]
build = Info("lifeline_build", "Version of the running code.")
readings_ingested = Counter(
    "lifeline_readings_ingested_total", "Readings durable on Kafka.", ["lifeline"]
)
messages_received = Counter("lifeline_messages_received_total", "MQTT messages received.")
messages_acknowledged = Counter(
    "lifeline_messages_acknowledged_total", "MQTT messages acknowledged to the broker."
)
rejects = Counter("lifeline_rejects_total", "Messages and readings refused.", ["reason"])
security_events = Counter(
    "lifeline_security_events_total", "Identity mismatches and forged input.", ["reason"]
)
kafka_send_seconds = Histogram(
    "lifeline_kafka_send_seconds", "From send to acks=all.", buckets=LATENCY_S
)
ingest_waiting = Gauge("lifeline_ingest_waiting_messages", "Messages not yet acknowledged.")
records_poison = Counter(
    "lifeline_records_poison_total", "Records on our own topics that could not be read.", ["topic"]
)
findings_plain = Counter(
    "lifeline_findings_plain_total",
    "Findings folded without some of the house's rules, because one failed on them.",
    ["left_out"],
)
findings_published = Counter(
    "lifeline_findings_published_total", "Findings durable on Kafka.", ["lifeline", "phase"]
)
detect_seconds = Histogram(
    "lifeline_detect_seconds",
    "From ingest's clock to findings durable on Kafka.",
    buckets=LATENCY_S,
)
bank_blank_starts = Counter(
    "lifeline_bank_blank_starts_total", "Detector states begun blank.", ["why"]
)
detectors_failed = Counter(
    "lifeline_detectors_failed_total",
    "Detectors of groups that failed by a bug of ours and began blank.",
    ["rule"],
)
bank_channels = Gauge(
    "lifeline_bank_channels", "Channels a partition's bank has seen.", ["partition"]
)
shadow_findings = Counter(
    "lifeline_shadow_findings_total",
    "Findings of the profile that is tried, written down.",
    ["rule", "phase"],
)
shadow_seconds = Counter(
    "lifeline_shadow_seconds_total", "Processor time of the profile that is tried."
)
shadow_off = Gauge(
    "lifeline_shadow_off", "Partitions on which the profile that is tried was switched off."
)
recoveries = Counter(
    "lifeline_recoveries_total", "Partitions resumed from a snapshot.", ["service"]
)
rows_stored = Counter("lifeline_rows_stored_total", "Rows committed to TimescaleDB.")
rows_duplicate = Counter("lifeline_rows_duplicate_total", "Rows that were there already.")
rows_conflicting = Counter(
    "lifeline_rows_conflicting_total",
    "Rows whose channel and time held another value: first stands.",
)
archive_lag_seconds = Gauge(
    "lifeline_archive_lag_seconds", "Age of the newest committed batch.", ["partition"]
)
fenced = Counter(
    "lifeline_fenced_total", "Writes refused because another worker had gone on.", ["service"]
)
alarm_latency_seconds = Histogram(
    "lifeline_alarm_latency_seconds",
    "From ingest's clock to the receiver's acceptance.",
    buckets=LATENCY_S,
)
incidents_opened = Counter("lifeline_incidents_opened_total", "Incidents opened.", ["lifeline"])
incident_unacked_age_seconds = Gauge(
    "lifeline_incident_unacked_age_seconds", "Age of the oldest unacknowledged incident."
)
notices = Counter("lifeline_notices_total", "Attempts to deliver a notice.", ["target", "outcome"])
notices_waiting = Gauge("lifeline_notices_waiting", "Notices not yet delivered.", ["target"])
roster_problems = Gauge(
    "lifeline_roster_problems", "Grave problems of the roster within the next 14 days."
)
test_pages_unconfirmed = Gauge(
    "lifeline_test_pages_unconfirmed", "People who did not confirm the last nightly test page."
)
deadlines_failed = Counter(
    "lifeline_deadlines_failed_total", "Deadlines that could not be met, and were put off."
)
loops_failed = Counter(
    "lifeline_loops_failed_total", "Loops of the router that ended and were begun anew.", ["loop"]
)
fast_path = Counter("lifeline_fast_path_total", "Notices sent while PostgreSQL was away.")
audit_anchored_seconds = Gauge(
    "lifeline_audit_anchored_timestamp_seconds", "When the audit's seal was last anchored outside."
)
zones_made = Gauge(
    "lifeline_zones_made_timestamp_seconds", "When the shared state of zones was last made."
)
canary_age_seconds = Gauge(
    "lifeline_canary_age_seconds", "Since the canary last came through.", ["partition"]
)
loop_lag_seconds = Gauge("lifeline_loop_lag_seconds", "How late the event loop woke up.")


def configure(settings: Telemetry, service: str) -> structlog.stdlib.BoundLogger:
    """Sets logging up once for this process and returns the service's logger.

    JSON lines on standard error unless it is a terminal.  Libraries' own loggers join at WARNING.
    """
    as_json = settings.log == "json" or (settings.log == "auto" and not sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    own = logging.getLogger("lifeline")
    own.setLevel(settings.level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    build.info({"version": version("urban-lifeline"), "service": service})
    log: structlog.stdlib.BoundLogger = structlog.get_logger(f"lifeline.{service}")
    return log.bind(service=service)


class Health:
    """What /readyz answers: a service is ready while ``problem`` is empty and its loop turns.

    ``beat()`` is called by the service's loop; after ``stale_s`` without one, /healthz fails too.
    """

    def __init__(self, stale_s: float = 60.0) -> None:
        self.problem = "starting"
        self.stale_s = stale_s
        self._beaten = time.monotonic()

    def beat(self) -> None:
        """Says that the loop still turns."""
        self._beaten = time.monotonic()

    @property
    def is_alive(self) -> bool:
        """False when the loop has not turned for ``stale_s``."""
        return time.monotonic() - self._beaten < self.stale_s


def port_of(settings: Telemetry, service: str, instance: int = 0) -> int:
    """The port on which a service shows itself."""
    return settings.port or PORTS[service] + 10 * instance


async def serve(port: int, health: Health) -> asyncio.Server:
    """Starts /metrics, /healthz and /readyz on loopback; raises OSError when the port is taken."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await asyncio.wait_for(reader.readline(), 5.0)
            while (await asyncio.wait_for(reader.readline(), 5.0)).strip():
                pass
            status, kind, body = _page(request.split(b" ")[1:2], health)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + body
            )
            await asyncio.wait_for(writer.drain(), 5.0)
        except (OSError, TimeoutError, ValueError, asyncio.LimitOverrunError):
            pass  # A scraper that goes away mid-line concerns nobody.
        finally:
            writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", port)


def _page(path: list[bytes], health: Health) -> tuple[str, str, bytes]:
    match path:
        case [b"/metrics"]:
            return "200 OK", "text/plain; version=0.0.4", generate_latest(REGISTRY)
        case [b"/healthz"]:
            status = "200 OK" if health.is_alive else "503 Service Unavailable"
            return status, "application/json", json.dumps({"alive": health.is_alive}).encode()
        case [b"/readyz"]:
            is_ready = health.is_alive and not health.problem
            status = "200 OK" if is_ready else "503 Service Unavailable"
            body = {"ready": is_ready, "problem": health.problem}
            return status, "application/json", json.dumps(body).encode()
    return "404 Not Found", "text/plain", b"try /metrics, /healthz or /readyz\n"


async def watch_loop(health: Health, every_s: float = 1.0) -> None:
    """Beats the health and measures how late the event loop wakes; runs until cancelled."""
    while True:
        before = time.monotonic()
        await asyncio.sleep(every_s)
        loop_lag_seconds.set(max(0.0, time.monotonic() - before - every_s))
        health.beat()


M_ARENA_MAX = -8
"""glibc's number for it, see mallopt(3)."""


def limit_arenas() -> None:
    """Two heaps for all threads instead of sixteen: fragments cost an archive 100 MB otherwise."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def settle_memory() -> None:
    """Moves what start-up made out of the collector's sight: shorter pauses, flat memory."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def now_ms() -> int:
    """The wall clock, unix milliseconds."""
    return time.time_ns() // 1_000_000
