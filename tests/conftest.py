"""What every test shares: a report's head with the servers, and examples that repeat.

New examples are looked for with  make unit ARGS=--hypothesis-profile=default
"""

from hypothesis import settings

from lifeline.stack import StackError, versions

# The same commit gives the same verdict everywhere; what exploring finds becomes an @example.
# No deadline: how long an example takes says what else the machine does, not what the code does.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_report_header() -> str:
    """One line of server versions, so that a report from elsewhere can be read."""
    try:
        found = versions()
    except StackError as error:
        return f"servers: {error}"
    return "servers: " + ", ".join(f"{name} {value or '-'}" for name, value in found.items())
