"""The bench: every layout, with and without labels; the same twice, and nothing looks ahead."""

import gzip
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detection_sets import running
from benchmarks.detection_sets.known import SETS, stream_name
from calibration.recording import Recording
from lifeline import artefact
from lifeline.catalog import Rule
from lifeline.profiles import Profile

INP = "[JUNCTIONS]\n n1 0 1\n n4 0 1\n[PIPES]\n p30 n1 n4 100 200\n"
RNG_SEED = 7
PROFILES = Path(__file__).parents[2] / "deploy" / "profiles"


def rng() -> np.random.Generator:
    return np.random.default_rng(RNG_SEED)


def zipped(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def iso(minute: int) -> str:
    return f"2020-01-{1 + minute // 1440:02} {minute // 60 % 24:02}:{minute % 60:02}:00"


def second(at: int) -> str:
    return f"2020-01-01 {at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}"


def skab(folder: Path, *, labels: bool) -> None:
    drawn = rng().normal(size=(900, 8))
    drawn[700:800, 7] -= 20.0
    head = ["datetime", *(f"s{k}" for k in range(7)), "Volume Flow RateRMS"]
    rows = [";".join([second(i), *map(str, row.round(4))]) for i, row in enumerate(drawn)]
    if labels:
        head += ["anomaly", "changepoint"]
        rows = [
            f"{row};{float(700 <= i < 800)};{float(i in (700, 800))}" for i, row in enumerate(rows)
        ]
    zipped(folder / "skab" / "valve1" / "0.csv.gz", [";".join(head), *rows])


def nab(folder: Path, *, labels: bool) -> None:
    values = rng().normal(size=1200)
    values[900:903] += 40.0
    rows = [f"{iso(5 * i)},{value:.4f}" for i, value in enumerate(values)]
    zipped(folder / "nab" / "real" / "a.csv.gz", ["timestamp,value", *rows])
    if labels:
        spans = {"real/a.csv": [[f"{iso(5 * 890)}.000000", f"{iso(5 * 930)}.000000"]]}
        (folder / "nab" / "windows.json").write_text(json.dumps(spans))


def water(folder: Path, *, labels: bool) -> None:
    n, drawn = 400, rng().normal(size=(400, 6))
    arrays = {
        "P": (50.0 + 0.1 * drawn[:, :2]).astype(np.float32),
        "Q": (80.0 + drawn[:, 2:5]).astype(np.float32),
        "T": (3.0 + 0.01 * drawn[:, 5]).astype(np.float32),
        "PS": np.array(["n1", "n4"]),
    }
    flow = np.zeros((n, 1), np.float32)
    flow[200:] = 10.0
    known = {"leaks": np.array(["{'pipe': 'p30', 't0': 200, 't1': 399, 'tpk': 200}"]), "LK": flow}
    for name in ("ltown/regen2019_s1", "ltown/random_s1"):
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, t0=np.array("2019-01-01 00:00:00"), **arrays, **(known if labels else {}))
    (folder / "ltown" / "L-TOWN.inp").write_text(INP)
    (folder / "sensor_faults").mkdir()
    faults = {"faults": np.array("[{'channel': 0, 'kind': 'stuck', 'row': 150, 'end': 190}]")}
    told = faults | {"leaks": np.array("[{'pipe': 'p30', 'row': 9, 'end': 90}]")} if labels else {}
    first = np.array(0)
    np.savez(folder / "sensor_faults" / "sensor_faults_000.npz", first_row=first, **arrays, **told)
    (folder / "leakdb_hanoi").mkdir()
    truth = {"y": (np.arange(n) >= 300).astype(np.int8)} if labels else {}
    junctions = np.array([str(k) for k in range(2, 33)])
    pressures = 60.0 + rng().normal(size=(n, 31))
    inflow = 3000.0 + 30.0 * drawn[:, 0]
    np.savez(
        folder / "leakdb_hanoi" / "hanoi_0001.npz",
        P=pressures,
        inflow=inflow,
        jn=junctions,
        **truth,
    )


def tables(folder: Path, *, labels: bool) -> None:
    drawn = rng().normal(size=(300, 4))
    hours = [f"{1 + i // 24:02}/07/16 {i % 24:02}" for i in range(300)]
    end = (lambda i: f",{int(250 < i < 270)}") if labels else (lambda _: "")
    zipped(
        folder / "batadal" / "x.csv.gz",
        ["DATETIME,L_T1,F_PU1,S_PU1,P_J1" + (",ATT_FLAG" if labels else "")]
        + [f"{hours[i]},{','.join(map(str, drawn[i].round(3)))}{end(i)}" for i in range(300)],
    )
    said = (lambda i: f",{250 < i < 270}") if labels else (lambda _: "")
    zipped(
        folder / "gecco2018" / "test.csv.gz",
        ["Time,Tp,Cl,pH" + (",EVENT" if labels else "")]
        + [f"{iso(i)},{drawn[i, 0]:.3f},NA,{drawn[i, 2]:.3f}{said(i)}" for i in range(300)],
    )
    comma = [f"{80 + one:.2f}".replace(".", ",") for one in drawn[:, 0].tolist()]
    zipped(
        folder / "battledim_real" / "2019_Flows_JanJun.csv.gz",
        ["Timestamp;p227;PUMP_1"] + [f"{iso(5 * i)};{comma[i]};{comma[i]}" for i in range(300)],
    )
    zipped(
        folder / "battledim_real" / "2019_Levels_JanJun.csv.gz",
        ["Timestamp;T1"] + [f"{iso(5 * i)};3,41" for i in range(300)],
    )
    fault = ",Fault Detection Ground Truth"
    zipped(
        folder / "lbnl_ahu" / "A.csv.gz",
        ["Datetime,AHU: Supply Air Temperature,AHU: Fan" + (fault if labels else "")]
        + [
            f"3/{1 + i // 1440}/2017 {i // 60 % 24}:{i % 60:02},{70 + drawn[i, 0]:.2f},1"
            + (",0" if labels else "")
            for i in range(300)
        ],
    )
    zipped(
        folder / "xai4heat" / "L4.csv.gz",
        ["datetime,t_amb,t_sup_prim,qizm,davis_out"]
        + [f"{iso(15 * (299 - i))},{drawn[i, 0]:.2f},80,100,1" for i in range(300)],
    )
    lines = [",".join(f"{0.4 + 0.01 * one:.6f}" for one in row) for row in drawn.tolist()]
    (folder / "yonghe").mkdir()
    (folder / "yonghe" / "freq.csv").write_text("# 4 modes\n" + "\n".join(lines))


def generated(folder: Path, *, labels: bool) -> None:
    n, drawn = 300, rng().normal(size=(300, 5))
    for name, columns, kind in (
        ("gas_wells", ("lel", "co2_ppm", "temp_c", "rh", "c2h6_ppm"), "gas"),
        (
            "heating_balance",
            ("supply_kg_s", "return_kg_s", "makeup_kg_s", "mean_temp_c", "outdoor_c"),
            "leak",
        ),
    ):
        arrays = {column: drawn[:, k] for k, column in enumerate(columns)}
        arrays[columns[-1]] = np.full(n, np.nan) if name == "gas_wells" else drawn[:, 4]
        told = {"events": np.array(f"[{{'kind': '{kind}', 'row': 200, 'peak': 5.0}}]")}
        (folder / name).mkdir()
        path = folder / name / f"{name}_000.npz"
        np.savez(path, step_s=np.array(60), **arrays, **(told if labels else {}))
    modes = {"freq_hz": 5.0 + 0.01 * drawn[:, :4], "air_c": drawn[:, 4]}
    (folder / "bridge_modes").mkdir()
    told = {"events": np.array("[{'row': 200, 'shift': 0.01}]")} if labels else {}
    path = folder / "bridge_modes" / "bridge_modes_000.npz"
    np.savez(path, step_s=np.array(3600), **modes, **told)
    strain = [f"2022-03-07 16:35:{i // 100:02}.{i % 100:02}0,{i % 7}" for i in range(300)]
    (folder / "munich").mkdir()
    with zipfile.ZipFile(folder / "munich" / "ref100Hz.csv.zip", "w") as packed:
        packed.writestr("ref.csv", "\n".join(["Time (-),DMS_CN (um\\m)", *strain]))


def made(folder: Path, *, labels: bool = True) -> Path:
    for write in (skab, nab, water, tables, generated):
        write(folder, labels=labels)
    return folder


def test_every_set_is_read_run_cut_and_scored(tmp_path: Path) -> None:
    data, out = made(tmp_path / "data"), tmp_path / "out"

    status = detection.main(["--data", str(data), "--out", str(out), "--cut-check"])

    told = json.loads((out / "scores.json").read_text())["sets"]
    assert status == 0
    assert {name: one["problems"] for name, one in told.items()} == {one.name: {} for one in SETS}
    assert {cut for one in told.values() for cut in one["cuts"].values()} == {"same"}
    unscored = {name for name, one in told.items() if one["score"] is None}
    assert unscored == {"battledim_real", "xai4heat"}
    assert (out / "report.html").read_text().count("<svg") == sum(
        one["streams"] for one in told.values()
    )


def test_the_same_data_and_seed_are_the_same_bytes_and_another_seed_is_other_noise(
    tmp_path: Path,
) -> None:
    data = made(tmp_path / "data")
    outs = [tmp_path / name for name in ("a", "b")]

    for out in outs:
        detection.main(["--data", str(data), "--out", str(out)])

    files = [sorted(p.relative_to(out) for p in out.rglob("*.[jn][sp][oy]*")) for out in outs]
    kept = [path for path in files[0] if path.name != "scores.json"]
    assert files[0] == files[1]
    assert all((outs[0] / path).read_bytes() == (outs[1] / path).read_bytes() for path in kept)
    assert len(kept) > len(SETS)


def test_without_labels_every_stream_is_run_and_none_is_scored(tmp_path: Path) -> None:
    data, out = made(tmp_path / "data", labels=False), tmp_path / "out"

    status = detection.main(["--data", str(data), "--out", str(out)])

    told = json.loads((out / "scores.json").read_text())["sets"]
    assert status == 0
    assert all(one["streams"] for one in told.values())
    assert {name for name, one in told.items() if one["score"] is not None} == {"yonghe", "munich"}
    assert (out / "alarms" / "skab" / "valve1__0.jsonl").exists()
    assert np.load(out / "flags" / "skab" / "valve1__0.npy").shape == (900,)


def test_alarms_that_knew_what_came_later_fail_the_cut_check(tmp_path: Path) -> None:
    profile = Profile(
        "plain", rule=(Rule("high", "leak", 3, {"kind": "threshold", "limit": 5.0}, "*"),)
    )
    minutes = np.arange(500, dtype=np.int64) * 60_000
    values = np.tile([9.0, 0.0], 250).reshape(-1, 1)
    honest = Recording("x", ("a",), ("q",), minutes, values, 60.0)
    ahead = Recording("x", ("a",), ("q",), minutes, np.roll(values, -1, axis=0), 60.0)
    task = detection.Task("nab", tmp_path, "x", tmp_path, tmp_path, 1, b"", profile, True)

    told = [
        detection._cut_check(task, honest, profile, running.run(seen, profile))
        for seen in (honest, ahead)
    ]

    assert told[0] == "same"
    assert told[1].endswith("differ")


def test_missing_and_broken_sets_are_named_and_the_others_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    nab(data, labels=True)
    (data / "gas_wells").mkdir()
    (data / "gas_wells" / "gas_wells_000.npz").write_bytes(b"no")

    status = detection.main(
        ["--data", str(data), "--out", str(out), "--only", "nab", "gas_wells", "skab"]
    )

    told = json.loads((out / "scores.json").read_text())["sets"]
    assert status == 1
    assert told["nab"]["streams"] == 1
    assert "gas_wells_000" in told["gas_wells"]["problems"]
    assert "skab: not run" in capsys.readouterr().err


def test_noise_is_added_where_there_is_none_and_nowhere_else(tmp_path: Path) -> None:
    from benchmarks.detection_sets.arrays import ltown

    water(tmp_path, labels=True)
    file = tmp_path / "ltown" / "random_s1.npz"
    with np.load(file) as arrays:
        np.savez(tmp_path / "own.npz", noisy=np.array(1), **arrays)

    one, same, other = (ltown(file, "x", seed).values for seed in (1, 1, 2))
    clean, own = ltown(file, "x", 1, clean=True).values, ltown(tmp_path / "own.npz", "x", 1).values

    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.array_equal(clean, own)
    assert 0.03 < (one - clean)[:, :2].std() < 0.07
    assert 0.005 < (one / clean - 1.0)[:, 2:5].std() < 0.015
    assert np.array_equal(one[:, 5], clean[:, 5])


def test_a_stream_is_named_by_its_path_in_the_set() -> None:
    folder = Path("d/nab")

    assert stream_name(folder / "real" / "a.csv.gz", folder) == "real__a"
    assert stream_name(folder / "x100Hz.csv.zip", folder) == "x100Hz"


def test_an_alarm_bears_the_row_and_time_of_its_stream_and_clears_by_row() -> None:
    values = np.zeros((20, 1))
    values[5:8] = 9.0
    # Beside the grid, and once the same time twice.
    times = np.array([90_000 + 60_000 * i for i in range(20)], np.int64)
    times[6] = times[5]
    profile = Profile(
        "plain",
        rule=(Rule("high", "sensor-fault", 3, {"kind": "threshold", "limit": 5.0}, "*"),),
    )

    ran = running.run(Recording("x", ("level",), ("q",), times, values, 60.0), profile)

    (alarm,) = ran.alarms
    assert (alarm.row, alarm.cleared_row, alarm.kind) == (5, 8, "fault")
    assert (alarm.at, alarm.channel, alarm.column) == ("1970-01-01T00:06:30", "level", 0)
    assert np.flatnonzero(ran.held).tolist() == [5, 6, 7]
    assert np.flatnonzero(ran.raised).tolist() == [5]
    assert [one.steps > 0 for one in ran.clocked] == [True]


def test_what_is_learned_before_the_streams_is_kept_and_its_year_is_not_judged(
    tmp_path: Path,
) -> None:
    drawn = rng().normal(size=(1400, 4)).round(3)
    for name, attacked in (("dataset03", range(0)), ("test", range(900, 950))):
        rows = [
            f"{1 + i // 24 % 28:02}/{1 + i // 672:02}/16 {i % 24:02},{','.join(map(str, row))},"
            f"{int(i in attacked)}"
            for i, row in enumerate(drawn)
        ]
        head = "DATETIME,L_T1,F_PU1,S_PU1,P_J1,ATT_FLAG"
        zipped(tmp_path / "data" / "batadal" / f"{name}.csv.gz", [head, *rows])
    flags = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--only", "batadal"]

    first, kept = detection.main(flags), sorted((tmp_path / "out" / "artefacts").iterdir())
    stamps = [path.stat().st_mtime_ns for path in kept]
    again = detection.main(flags)

    told = json.loads((tmp_path / "out" / "scores.json").read_text())["sets"]["batadal"]
    assert (first, again, len(kept)) == (0, 0, 1)
    assert [path.stat().st_mtime_ns for path in kept] == stamps
    assert told["learned_from"] == ["dataset03"]
    assert told["score"]["attacks"] == 1.0


def test_a_town_whose_calm_year_is_not_there_is_watched_with_what_ships(tmp_path: Path) -> None:
    shipped = artefact.unpack((PROFILES / "c-town.art").read_bytes()).arrays
    names, usual = shipped["names"].tolist(), shipped["usual"]
    # Each signal as it mostly is, which no town can be in all of them at once.
    values = np.tile(usual, (48, 1))
    rows = [
        f"{1 + i // 24:02}/01/17 {i % 24:02},{','.join(f'{one:.2f}' for one in row)}"
        for i, row in enumerate(values.tolist())
    ]
    zipped(tmp_path / "batadal" / "test.csv.gz", [",".join(["DATETIME", *names]), *rows])
    out = tmp_path / "out"

    code = detection.main(["--data", str(tmp_path), "--out", str(out), "--only", "batadal"])

    alarms = (out / "alarms" / "batadal" / "test.jsonl").read_text().splitlines()
    assert code == 0
    assert [json.loads(line)["kind"] for line in alarms] == ["attack"]


def test_rows_in_which_nothing_came_are_not_flagged_though_the_alarm_lasts() -> None:
    values = np.zeros((20, 1))
    values[5:15] = 9.0
    values[8:12] = np.nan
    times = np.array([60_000 * (1 + i) for i in range(20)], np.int64)
    profile = Profile(
        "plain",
        rule=(Rule("high", "sensor-fault", 3, {"kind": "threshold", "limit": 5.0}, "*"),),
    )

    ran = running.run(Recording("x", ("level",), ("q",), times, values, 60.0), profile)

    assert [(alarm.row, alarm.cleared_row) for alarm in ran.alarms] == [(5, 15)]
    assert np.flatnonzero(ran.held).tolist() == [5, 6, 7, 12, 13, 14]
