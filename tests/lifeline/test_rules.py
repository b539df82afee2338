"""Prometheus's rules stand on metrics that exist, and each alert on a paragraph that helps."""

import re
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from lifeline import telemetry

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "deploy" / "prometheus" / "lifeline.rules.yml").read_text("utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS = re.split(r"^      - alert: ", RULES, flags=re.MULTILINE)[1:]


def exposed() -> dict[str, set[str]]:
    """The series that a scrape shows, and the labels of each."""
    found: dict[str, set[str]] = {}
    for metric in vars(telemetry).values():
        if isinstance(metric, Counter):
            found[f"{metric._name}_total"] = set(metric._labelnames)
        if isinstance(metric, Gauge):
            found[metric._name] = set(metric._labelnames)
        if isinstance(metric, Histogram):
            found |= {f"{metric._name}_{end}": {"le"} for end in ("bucket", "count", "sum")}
    return found


def test_every_metric_that_a_rule_names_is_exposed_with_its_labels() -> None:
    named = re.findall(r"\b(lifeline_\w+)(?:\{(\w+)!?=)?", RULES)
    bounds = set(re.findall(r'le="([\d.]+)"', RULES))

    series = exposed()

    assert len(named) > 10
    assert [name for name, _ in named if name not in series] == []
    assert [name for name, label in named if label and label not in series[name]] == []
    assert bounds <= {str(bound) for bound in telemetry.LATENCY_S}


def test_every_recorded_series_that_an_alert_names_is_recorded() -> None:
    recorded = set(re.findall(r"- record: (\S+)", RULES))

    assert {name for alert in ALERTS for name in re.findall(r"\blifeline:\S+", alert)} == recorded


def test_every_alert_says_how_urgent_it_is_and_leads_to_a_paragraph() -> None:
    headings = re.findall(r"^#+ (.+)$", OPERATIONS, flags=re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", text.lower()).replace(" ", "-") for text in headings}

    urgent = [re.findall(r"severity: (page|ticket)\}", alert) for alert in ALERTS]
    led = [re.findall(r"runbook: docs/operations\.md#(\S+)", alert) for alert in ALERTS]

    assert len(ALERTS) > 8
    assert [len(one) for one in urgent] == [1] * len(ALERTS)
    assert [len(one) for one in led] == [1] * len(ALERTS)
    assert {anchor for (anchor,) in led} <= anchors
