"""``lifeline notices``: what the targets are, and a test card that is delivered or says why not."""

import asyncio
import json
from pathlib import Path

from typer.testing import CliRunner

from lifeline.__main__ import build
from tests.vendors.servers import SECRET, TOKEN, vendor


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build(), ["notices", *words])
    return done.exit_code, done.output


def settings(folder: Path, url: str) -> str:
    (folder / "token").write_text(TOKEN)
    (folder / "secret").write_text(SECRET)
    file = folder / "lifeline.toml"
    file.write_text(
        f"[[router.targets]]\nname='group'\nkind='wecom'\nurl='{url}'\nprivate_allowed=true\n"
        f"token_file='{folder / 'token'}'\n"
        f"[[router.targets]]\nname='platform'\nurl='https://platform.example/'\n"
        f"secret_file='{folder / 'secret'}'\n"
    )
    return str(file)


async def test_a_test_card_is_delivered_on_the_vendors_code_or_says_why_not(
    tmp_path: Path,
) -> None:
    async with vendor("wecom") as there:
        file = settings(tmp_path, there.url)
        done = await asyncio.to_thread(run, "test", "group", "--config", file)
        (tmp_path / "token").write_text("another")
        refused = await asyncio.to_thread(run, "test", "group", "--config", file)

    assert done[0] == 0
    assert "group (wecom) took it: 0, " in done[1]
    assert "通道测试，无需处理" in json.dumps(there.took, ensure_ascii=False)
    assert refused[0] == 1
    assert "93000" in refused[1]


def test_no_machine_is_tried_and_no_target_is_invented(tmp_path: Path) -> None:
    file = settings(tmp_path, "http://127.0.0.1:1/")

    machine, nobody = (run("test", name, "--config", file) for name in ("platform", "pigeon"))

    assert machine[0] == nobody[0] == 1
    assert "hold a drill" in machine[1]
    assert "no target pigeon" in nobody[1]


def test_the_targets_are_shown_with_their_kinds_and_no_secret(tmp_path: Path) -> None:
    file = settings(tmp_path, "http://127.0.0.1:1/")

    status, text = run("targets", "--config", file)
    rows = json.loads(run("targets", "--json", "--config", file)[1])

    assert status == 0
    assert "group            wecom     127.0.0.1" in text
    assert "18 a minute" in text
    assert [(row["name"], row["kind"], row["per_minute"]) for row in rows] == [
        ("group", "wecom", 18),
        ("platform", "webhook", 0),
    ]
    assert TOKEN not in text + json.dumps(rows)
