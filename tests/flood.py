"""Shenyang's three grades for floods, as a city writes them in ``lifeline.toml``."""

from lifeline.config import Settings, load

WRITTEN = """
[[grades]]
level = 1
zh = "红色"
en = "Red"
colour = "#D0021B"
dark = "#FF6B70"
shape = "▲"
cap_severity = "Extreme"
cap_urgency = "Immediate"
remind_s = 60.0
escalate_s = [240.0]
progress_s = 900.0

[[grades]]
level = 2
zh = "橙色"
en = "Orange"
colour = "#C05A00"
shape = "◆"
cap_severity = "Severe"
cap_urgency = "Expected"
remind_s = 300.0
escalate_s = [900.0]
progress_s = 1800.0

[[grades]]
level = 3
zh = "黄色"
en = "Yellow"
colour = "#E8B800"
shape = "■"
cap_severity = "Minor"
cap_urgency = "Future"
"""


def settings(more: str = "") -> Settings:
    """Settings with these grades."""
    return load(more + WRITTEN, "lifeline.toml", {})[0]


FLOOD = settings().grading
