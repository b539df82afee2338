"""What every test shares: the head of the report says on which servers it ran."""

from lifeline.stack import StackError, versions


def pytest_report_header() -> str:
    """One line of server versions, so that a report from elsewhere can be read."""
    try:
        found = versions()
    except StackError as error:
        return f"servers: {error}"
    return "servers: " + ", ".join(f"{name} {value or '-'}" for name, value in found.items())
