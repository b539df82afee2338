"""An exercise that runs, or did, and why none could begin.  Pure."""

from typing import Literal

import msgspec

from alerting.drill.scenarios import Scenario

Why = Literal["time", "stopped", "real"]


class Drill(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise that runs, or did; times unix ms by PostgreSQL's clock."""

    id: str
    scenario: Scenario
    started_by: str
    started_ms: int
    ends_ms: int
    played_ms: int | None = None
    stop_by: str = ""
    ended_ms: int | None = None
    ended_why: str = ""
    broken_by: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """Why no exercise began: ``running`` (another one), or ``real`` (an incident) that hinders."""

    code: Literal["running", "real"]
    subject: str

    @property
    def zh(self) -> str:
        """The sentence in Chinese."""
        if self.code == "running":
            return f"已有演练正在进行（{self.subject}）"
        return f"最高等级事件 {self.subject} 未关闭，不能开始演练"

    @property
    def en(self) -> str:
        """The sentence in English."""
        if self.code == "running":
            return f"Another exercise runs: {self.subject}"
        return f"A real incident of the top grade is open: {self.subject}"
