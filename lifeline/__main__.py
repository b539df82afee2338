"""The command ``lifeline``: composes the sub-commands; the only place that exits."""

import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer

SERVICES, SETUP, MACHINE = "Services 服务", "Set-up 安装与配置", "This machine 本机"
DESK, PROOF, LOOK = "Duty desk 值守台", "Proof 证据", "Look and repeat 查看与重放"

COMMANDS: dict[str, tuple[str, str, str, str]] = {
    # name: module under lifeline.commands, its Typer app or function, panel of the help, Chinese
    "ingest": ("serve", "ingest", SERVICES, "接入"),
    "detect": ("serve", "detect", SERVICES, "检测"),
    "archive": ("serve", "archive", SERVICES, "归档"),
    "router": ("serve", "router", SERVICES, "事件路由"),
    "watchdog": ("serve", "watchdog", SERVICES, "链路看门狗"),
    "console": ("serve", "console", SERVICES, "值守台"),
    "up": ("up", "up", SERVICES, "启动全部服务"),
    "migrate": ("migrate", "migrate", SETUP, "建立或升级"),
    "doctor": ("doctor", "doctor", SETUP, "环境体检"),
    "catalog": ("catalog", "app", SETUP, "设施目录"),
    "config": ("configuration", "app", SETUP, "设置与规则"),
    "user": ("users", "app", SETUP, "用户"),
    "stack": ("stack", "app", MACHINE, "本机服务器"),
    "demo": ("demo", "demo", MACHINE, "演示"),
    "simulate": ("simulate", "simulate", MACHINE, "模拟"),
    "incident": ("incident", "app", DESK, "事件"),
    "shelve": ("shelve", "app", DESK, "报警搁置"),
    "window": ("window", "app", DESK, "检修与值守"),
    "plan": ("plan", "app", DESK, "处置预案"),
    "work": ("work", "app", DESK, "作业单"),
    "drill": ("drill", "app", DESK, "演练"),
    "roster": ("roster", "app", DESK, "排班"),
    "notices": ("notices", "app", DESK, "通知"),
    "kpi": ("kpi", "kpi", DESK, "报警指标"),
    "budget": ("budget", "budgets", DESK, "误报预算"),
    "audit": ("audit", "app", PROOF, "审计"),
    "evidence": ("evidence", "app", PROOF, "证据包"),
    "labels": ("labels", "app", LOOK, "值班判定与读数导出"),
    "whatif": ("whatif", "whatif", LOOK, "规则改动推演"),
    "shadow": ("shadow", "app", LOOK, "规则试运行"),
    "calibrate": ("calibrate", "calibrate", LOOK, "由历史数据标定"),
    "replay": ("replay", "replay", LOOK, "重放"),
    "tap": ("tap", "tap", LOOK, "查看消息"),
    "context": ("context", "app", LOOK, "现场情况"),
    "rejects": ("rejects", "app", LOOK, "被拒消息"),
}


def build(wanted: str = "") -> typer.Typer:
    """The command with all its sub-commands, or with the wanted one alone.

    A service must not carry the imports of the others: they are half of what a process weighs.
    """
    app = typer.Typer(
        name="lifeline",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        help="Watches a city's gas, water, heating and bridges: sensors in, incidents out, nothing"
        " lost. 城市燃气、供水、供热、桥梁监测：读数进，事件出，一条不丢。\n\n"
        "Exit status: 0 done, 1 the answer is no, 2 it could not be tried. 退出状态：0 已完成，"
        "1 结果为否，2 未能执行。\n\nExample:  lifeline demo",
    )
    app.callback()(_root)
    for name in [wanted] if wanted in COMMANDS else COMMANDS:
        module, attribute, panel, zh = COMMANDS[name]
        command = getattr(importlib.import_module(f"lifeline.commands.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(
                command, name=name, short_help=_short(command.info.help, zh), rich_help_panel=panel
            )
        else:
            short = _short(command.__doc__, zh)
            app.command(name=name, short_help=short, rich_help_panel=panel)(command)
    return app


def _short(told: str | None, zh: str) -> str:
    """What the list of commands says of one: its first sentence, and its name in Chinese."""
    first = (told or "").partition("\n\n")[0].partition("  Example:")[0]
    return f"{' '.join(first.split())} {zh}"


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"lifeline {version('urban-lifeline')}")
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    assert not show_version, "the eager call-back has ended the command"


def main() -> None:
    """Runs the command; exit status 0 done, 1 the answer is no, 2 it could not be tried."""
    try:
        build(sys.argv[1] if len(sys.argv) > 1 else "")()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
