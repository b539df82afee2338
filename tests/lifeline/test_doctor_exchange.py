"""The doctor reads what was agreed with others before a call from them finds it wrong."""

from pathlib import Path

import pytest

from lifeline.commands.doctor import Verdict, _exchange
from lifeline.config import Exchange, Partner, Router, Settings
from lifeline.targets import Target

URL = "http://127.0.0.1:1/"


def told(exchange: Exchange | None = None, *targets: Target) -> Verdict:
    settings = Settings(exchange=exchange or Exchange(), router=Router(targets=targets))
    (verdict,) = _exchange(settings)
    return verdict


def test_what_was_agreed_is_well() -> None:
    verdict = told(None, Target("desk", URL, "-", format="case"))

    assert (verdict.ok, verdict.warning) == (True, False)
    assert verdict.text == "codes for 12 hazards, 0 partners"


def test_a_profile_whose_clauses_nobody_has_read_is_a_warning() -> None:
    verdict = told(None, Target("platform", URL, "-", format="cap-gb"))

    assert (verdict.ok, verdict.warning) == (True, True)
    assert "nobody has read its clauses" in verdict.text


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("nowhere", "", "there is no folder"),
        ("bad", "[issuer]\narea = 1\n", "issuer.area"),
        ("torn", "[issuer", "cannot be read"),
    ],
)
def test_tables_that_cannot_be_used_are_said_with_their_file(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    folder = tmp_path / "tables"
    if text:
        folder.mkdir()
        (folder / f"{name}.toml").write_text(text)

    verdict = told(Exchange(str(folder)))

    assert not verdict.ok
    assert why in verdict.text


def test_a_partner_without_his_secret_and_a_system_that_nobody_knows_are_wrong() -> None:
    keyless = told(Exchange(partners=(Partner("p", {"k": "/nowhere"}),)))
    strange = told(None, Target("desk", URL, "-", format="case", system="other"))

    assert (keyless.ok, strange.ok) == (False, False)
    assert "/nowhere" in keyless.text
    assert "knows its system" in strange.text
