"""The API, door by door: JSON in and out, problem+json on refusal, the revision as ETag."""

from alerting.console.documents import Door
from alerting.console.doors import alarms, calls, city, incidents, proof, shift, state, windows

DOORS: tuple[Door, ...] = (
    *state.DOORS,
    *incidents.DOORS,
    *calls.DOORS,
    *alarms.DOORS,
    *windows.DOORS,
    *shift.DOORS,
    *proof.DOORS,
    *city.DOORS,
)
