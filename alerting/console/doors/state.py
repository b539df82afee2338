"""Who is signed in, and how old the data are, for programs.  Pure."""

from alerting.console.documents import Door
from alerting.console.doors import shown
from alerting.console.records import Records
from alerting.console.visit import Answer, Visit, as_json


def whoami(_: Records, visit: Visit) -> Answer:
    """GET /api/v1/session."""
    session = visit.session
    assert session is not None
    return as_json(shown.SessionView(session.name, session.role, session.form))


def feeds(_: Records, visit: Visit) -> Answer:
    """GET /api/v1/feeds."""
    limit_s = visit.site.settings.console.stale_after_s
    return as_json(shown.FeedList(visit.pulse.now_ms, limit_s, list(visit.pulse.feeds)))


DOORS: tuple[Door, ...] = (
    Door(method="GET", path="/session", name="session", handler=whoami,
         summary="Who is signed in.", shown=shown.SessionView),
    Door(method="GET", path="/feeds", name="feeds", handler=feeds,
         summary="How old the data are.", shown=shown.FeedList),
)  # fmt: skip
