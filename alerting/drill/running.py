"""An exercise that runs, or did, and why none could begin.  Pure."""

from typing import Literal

import msgspec

from alerting.drill.scenarios import Scenario
from lifeline.model import Text

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
    def why(self) -> Text:
        """The sentence."""
        if self.code == "running":
            return Text(
                f"已有演练正在进行（{self.subject}）", f"Another exercise runs: {self.subject}"
            )
        return Text(
            f"最高等级事件 {self.subject} 未关闭，不能开始演练",
            f"A real incident of the top grade is open: {self.subject}",
        )
