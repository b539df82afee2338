"""One incident as one file: the same twice, whole, and nothing in it can be changed unseen."""

import hashlib
import io
import json
import zipfile
from zoneinfo import ZoneInfo

import msgspec
import pytest

from alerting.audit.anchors import Anchor
from alerting.evidence import package
from alerting.evidence.check import FLAWS, Flaw, check, sentence
from alerting.evidence.dossier import Dossier, Placed, Run
from lifeline.words import LANGUAGES
from tests.alerting.audit.ledgers import Ledger, line, relinked
from tests.alerting.evidence.case import (
    INCIDENT,
    ONSET_MS,
    dossier,
    finding,
    ledger,
    lengthened,
    row,
)

CITY = ZoneInfo("Asia/Shanghai")


def members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return out.getvalue()


def codes(content: bytes, anchors: tuple[Anchor, ...] = ()) -> list[str]:
    return [flaw.audit.code if flaw.audit else flaw.code for flaw in check(content, anchors).flaws]


def remade(files: dict[str, bytes]) -> bytes:
    """The manifest and the sums made anew for what was changed: a skilled hand's package."""
    manifest = msgspec.json.decode(files["manifest.json"], type=package.Manifest)
    listed = tuple(
        package.File(one.name, len(files[one.name]), hashlib.sha256(files[one.name]).hexdigest())
        for one in manifest.files
    )
    chain = msgspec.json.decode(files["actions.json"], type=package.Chain)
    manifest = msgspec.structs.replace(
        manifest, files=listed, lines=len(chain.entries), head=chain.entries[-1].hash.hex()
    )
    first = package.pretty(manifest)
    return packed(
        {**files, "manifest.json": first, "SHA256SUMS": package.sums(first, manifest.files)}
    )


def test_the_same_incident_makes_the_same_bytes() -> None:
    assert package.make(dossier(), CITY) == package.make(dossier(), CITY)


@pytest.mark.feature("D-21")
def test_everything_is_in_it() -> None:
    found = members(package.make(dossier(), CITY))

    assert list(found)[:2] == ["manifest.json", "SHA256SUMS"]
    assert set(found) == {
        "manifest.json", "SHA256SUMS", "incident.json", "alarms.json", "findings.json",
        "rules.json", "readings.csv", "spans.json", "receipts.json", "actions.json",
        "actions.csv", "notices.json", "notices/0001.json", "notices/0002.xml",
        "notices/0003.bin", "notices/0004.bin", "charts/1.zh.svg", "charts/1.en.svg",
        "summary.zh.html", "summary.en.html",
    }  # fmt: skip
    assert found["notices/0001.json"] == b'{"incident": 1}'
    assert found["readings.csv"].decode("utf-8-sig").splitlines()[0].startswith("channel,time")
    assert len(found["readings.csv"].splitlines()) == 121
    assert json.loads(found["notices.json"])[0]["attempts"][0]["code"] == "delivered 200"
    assert json.loads(found["rules.json"])["catalog"] == "abc"


def test_what_people_wrote_is_no_formula_in_a_spreadsheet() -> None:
    found = members(package.make(dossier(), CITY))

    assert b"'=cmd()" in found["actions.csv"]


@pytest.mark.feature("D-21")
def test_an_untouched_package_is_in_order_also_by_the_anchor_outside() -> None:
    made = ledger()
    content = package.make(dossier(made), CITY)

    assert check(content).flaws == ()
    assert check(content, made.anchors).anchors == 1
    assert check(content, made.anchors).flaws == ()
    assert check(content, [Anchor(99, 0, bytes(32))]).flaws == ()
    assert check(content).unsealed == 0


def young(n: int = 3) -> tuple[Ledger, Dossier]:
    """A package made before its newest seal was written down: an older one has been."""
    made = ledger(n)
    first = made.seals[1:]
    made.write(line(INCIDENT, 7), line(INCIDENT, 8))
    made.seal()
    bare = [msgspec.structs.replace(one, heads=()) for one in first[1:]]
    of = dossier(
        made, before=made.seals[-2].hash, seals=(made.seals[-1],),
        proven=Run(made.seals[0].hash, (first[0], *bare)),
        anchors=(Placed("desk:audit.log", made.anchors[0]),),
    )  # fmt: skip
    return made, of


@pytest.mark.feature("D-21", "O-2")
def test_a_young_package_carries_the_anchors_of_its_time_and_says_what_they_prove() -> None:
    made, of = young()
    later = dossier()

    found = check(package.make(of, CITY), made.anchors)
    alone = check(package.make(of, CITY))
    whole = check(package.make(later, CITY), ledger().anchors)

    assert found.flaws == alone.flaws == ()
    assert (found.anchors, found.proven, found.unsealed) == (1, 3, 0)
    assert (alone.anchors, alone.proven) == (0, 0)
    assert (whole.anchors, whole.proven) == (1, 5)


@pytest.mark.feature("D-21")
def test_a_young_package_made_anew_is_found_by_the_anchor_of_its_time() -> None:
    made, of = young()
    _, forged = young(2)
    elsewhere = msgspec.structs.replace(of, anchors=(Placed("x", Anchor(99, 0, bytes(32))),))
    assert of.proven is not None
    others = msgspec.structs.replace(of.proven, seals=tuple(made.seals[2:3]))

    assert codes(package.make(forged, CITY), tuple(made.anchors)) == ["anchor-other"]
    assert codes(package.make(elsewhere, CITY)) == ["anchor-without-seal"]
    moved = package.make(msgspec.structs.replace(of, proven=others), CITY)
    assert "other-chain" in codes(moved)


def test_lines_too_young_for_a_seal_are_counted() -> None:
    made = lengthened(ledger())

    found = check(package.make(dossier(made), CITY))

    assert (found.flaws, found.unsealed) == ((), 1)


@pytest.mark.feature("D-21")
def test_every_changed_missing_or_added_file_is_named() -> None:
    content = package.make(dossier(), CITY)
    for name in members(content):
        files = members(content)
        files[name] += b" "
        flaws = check(packed(files)).flaws

        assert flaws, name
        if name not in ("manifest.json", "SHA256SUMS"):
            assert [(f.code, f.name) for f in flaws] == [("file-changed", name)]
    files = members(content)
    del files["readings.csv"]

    assert codes(packed(files)) == ["file-gone"]
    assert codes(packed({**members(content), "more.txt": b""})) == ["file-added"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_second_member_of_the_same_name_is_named() -> None:
    files = members(package.make(dossier(), CITY))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
        file.writestr("readings.csv", files["readings.csv"])

    assert codes(out.getvalue()) == ["member-twice"]


def test_a_package_made_anew_around_other_actions_is_found_by_the_seal_inside() -> None:
    made = ledger()
    entry = made.entries[INCIDENT][1]
    forged = msgspec.structs.replace(entry, line=msgspec.structs.replace(entry.line, actor="wang"))
    rows = relinked([*made.entries[INCIDENT][:1], forged, *made.entries[INCIDENT][2:]])
    files = members(package.make(dossier(made), CITY))
    chain = msgspec.json.decode(files["actions.json"], type=package.Chain)
    chain = msgspec.structs.replace(chain, entries=tuple(rows))
    files["actions.json"] = package.pretty(chain)

    assert codes(remade(files)) == ["sealed-line-other"]


@pytest.mark.feature("D-21")
def test_a_package_whose_seals_were_made_anew_too_is_found_by_the_anchor_outside() -> None:
    honest, forged = ledger(), ledger(4)
    content = package.make(dossier(forged), CITY)

    assert codes(content) == []
    assert codes(content, tuple(honest.anchors)) == ["anchor-other"]


def test_actions_that_are_not_the_manifests_are_named() -> None:
    whole = dossier()
    files = members(package.make(whole, CITY))
    less = package.make(msgspec.structs.replace(whole, entries=whole.entries[:2]), CITY)
    other = dossier(ledger(), incident=row(id="1a439d32-bf11-51ae-8571-d1c013753265"))

    assert "other-chain" in codes(packed({**files, "actions.json": b"{}"}))
    assert "other-chain" in codes(packed({**files, "actions.json": members(less)["actions.json"]}))
    assert codes(package.make(other, CITY)) == ["other-chain", "other-chain"]
    missing = {name: content for name, content in files.items() if name != "actions.json"}
    assert codes(packed(missing)) == ["file-gone", "other-chain"]


def test_what_is_no_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    content = package.make(dossier(), CITY)
    files = members(content)
    manifest = msgspec.json.decode(files["manifest.json"], type=package.Manifest)
    newer = package.pretty(msgspec.structs.replace(manifest, form="lifeline-evidence/9"))

    assert codes(b"no zip") == ["no-package"]
    assert codes(packed({"a": b"b"})) == ["no-package"]
    assert codes(packed({**files, "manifest.json": newer})) == ["no-package"]
    assert codes(content[: len(content) // 2]) == ["no-package"]
    monkeypatch.setattr("alerting.evidence.check.SIZE_MAX", 10)
    assert codes(content) == ["no-package"]


@pytest.mark.parametrize("code", FLAWS)
def test_each_flaw_is_said_in_both_languages(code: str) -> None:
    said = [sentence(Flaw(code, "a.csv", "why"), language) for language in LANGUAGES]

    assert all("a.csv" in text or "why" in text or "SHA256SUMS" in text for text in said)


def test_a_flaw_of_the_chain_names_the_line() -> None:
    made = ledger()
    made.entries[INCIDENT][1] = msgspec.structs.replace(made.entries[INCIDENT][1], written_us=1)
    found = check(package.make(dossier(made), CITY)).flaws

    assert sentence(found[0], "en") == (
        f"incident {INCIDENT}, line 2: changed, it does not fit its hash"
    )


def summaries(of: Dossier) -> tuple[str, str]:
    found = members(package.make(of, CITY))
    return found["summary.zh.html"].decode(), found["summary.en.html"].decode()


def test_the_summary_says_who_did_what_and_who_was_told_in_both_languages() -> None:
    zh, en = summaries(dossier())

    assert "一级" in zh
    assert "七号井" in zh
    assert "第 2 号封条" in zh
    assert "已送达 · accepted platform" in zh
    assert "Well 7" in en
    assert "covers lines up to 5" in en
    assert "Refused" in en
    assert "Not delivered" in en
    assert 'src="charts/1.en.svg"' in en


def test_an_exercise_and_a_closure_over_a_condition_are_marked_for_ever() -> None:
    drill = dossier(incident=row(drill=True, overridden=True, second="chen", verdict=""))

    zh, en = summaries(drill)

    assert "【演练】" in zh
    assert "强制关闭" in zh
    assert "chen" in zh
    assert "[EXERCISE]" in en


def test_an_incident_of_which_nothing_is_known_yet_makes_a_package_too() -> None:
    bare = Dossier(
        incident=row(phase="open", acknowledged_ms=None, closed_ms=None, verdict=""),
        made_ms=ONSET_MS + 7000,
        is_cut=True,
    )

    content = package.make(bare, CITY)

    assert check(content).flaws == ()
    zh, en = summaries(bare)
    assert "尚未加封" in zh
    assert "There were more readings than are kept" in en


def test_hostile_words_stay_words() -> None:
    evil = "<script>alert(1)</script>"
    shown = dossier(incident=row(asset=evil, zone=evil))

    assert all(evil not in page for page in summaries(shown))


def test_a_channel_without_findings_of_its_own_is_drawn_from_the_incidents_moments() -> None:
    grouped = dossier(
        findings=(
            {"id": "f1", "body": msgspec.to_builtins(finding("gas/pair", limit=None))},
            {"id": "f2", "body": msgspec.to_builtins(finding(limit=None))},
        )
    )

    found = members(package.make(grouped, CITY))

    assert found["charts/1.zh.svg"].startswith(b'<svg xmlns="http://www.w3.org/2000/svg" ')
