"""``lifeline plan``: what to do at each hazard, whether every file of it holds, valves to close."""

from typing import Annotated, Any

import typer

from alerting import plans, rulegraph, valves
from alerting.book import store as book_store
from alerting.plans import Plan
from alerting.topology import Topology
from alerting.valves import Isolation
from lifeline import store, words
from lifeline.catalog import Catalog, CatalogError
from lifeline.commands.outcome import (
    Config,
    Json,
    Tongue,
    fail,
    language_of,
    print_json,
    settings_from,
    spoken,
)
from lifeline.compiler import compile_catalog
from lifeline.config import Settings
from lifeline.grades import Grading
from lifeline.words import Language

app = typer.Typer(
    no_args_is_help=True,
    help="What to do at each hazard.  Example:  lifeline plan show gas-leak",
)


def _catalog(settings: Settings) -> Catalog:
    return Catalog(compile_catalog(store.read_sources(settings.catalog.sources), settings.grading))


@app.command()
def check(config: Config = None, as_json: Json = False) -> None:
    """Say whether every plan and every correlation rule holds, and what has only a default plan.

    Every problem of every file is told with its place; exit status 2 when there is one.

    Example:  lifeline plan check
    """
    settings = settings_from(config)
    problems: list[str] = []
    with spoken():
        catalog = _catalog(settings)
    book, rules = None, None
    try:
        book = book_store.read_book(settings.router)
        problems += plans.problems_with(book, catalog)
    except CatalogError as error:
        problems += error.problems
    try:
        rules = book_store.read_rules(settings.router)
        problems += rulegraph.problems_with(rules, catalog)
    except CatalogError as error:
        problems += error.problems
    if book is None or rules is None or problems:
        if as_json:
            print_json({"ok": False, "problems": problems})
            raise typer.Exit(2)
        many = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise fail("\n".join([*problems, f"{many}: mend them and check again."]))
    lacking = plans.gaps(book, catalog)
    doubtful = [one.id for one in rules.rule if not one.verified]
    if as_json:
        print_json({
            "ok": True, "problems": [], "plans": len(book.plans), "rules": len(rules.rule),
            "only_default": lacking, "unverified": doubtful,
        })  # fmt: skip
        return
    typer.echo(f"{len(book.plans)} plans, {len(rules.rule)} rules across lifelines: all hold.")
    if lacking:
        typer.echo(f"Only the default plan: {', '.join(lacking)}")
    if doubtful:
        typer.echo(f"No clause stands behind: {', '.join(doubtful)}")


@app.command()
def show(
    hazard: Annotated[str, typer.Argument(help="Such as gas-leak or burst.")],
    lifeline: Annotated[str, typer.Option(help="Where several have a plan for it.")] = "",
    asset: Annotated[str, typer.Option(help="Say also which valves to close there.")] = "",
    language: Tongue = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the plan for a hazard, and for an asset the valves that cut it off.

    Example:  lifeline plan show burst --asset water/hunnan-dma3/network --language en
    """
    settings = settings_from(config)
    with spoken():
        book = book_store.read_book(settings.router)
        catalog = _catalog(settings)
    if hazard not in {*words.HAZARDS, *(rule.hazard for rule in catalog.head.rules)}:
        raise fail(f"There is no hazard {hazard}: see `lifeline plan list`.", 1)
    topology = Topology(catalog)
    if asset and topology.asset(asset) is None:
        raise fail(f"There is no asset {asset} in the catalog.", 1)
    owners = [one for one, name in book.plans if name == hazard]
    owner = lifeline or (topology.lifeline(asset) if asset else next(iter(owners), ""))
    plan, is_default = book.of(owner, hazard)
    cuts: list[Isolation] = []
    if asset and plan.isolates:
        fewest, nearest = valves.isolate(topology, asset), valves.nearest(topology, asset)
        cuts = [fewest] if fewest == nearest else [fewest, nearest]
    if as_json:
        print_json({"plan": plan, "is_default": is_default, "valves": cuts})
        return
    tongue = language_of(settings, language)
    said = _lines(plan, tongue, settings.grading)
    for line in [*said, *(line for cut in cuts for line in _cut(cut, tongue))]:
        typer.echo(line)


@app.command("list")
def all_plans(config: Config = None, as_json: Json = False) -> None:
    """List the plans by lifeline and hazard.

    Example:  lifeline plan list
    """
    with spoken():
        book = book_store.read_book(settings_from(config).router)
    rows: list[dict[str, Any]] = [
        {"lifeline": plan.lifeline, "hazard": plan.hazard, "title": plan.title}
        for _, plan in sorted(book.plans.items())
    ]
    if as_json:
        print_json(rows)
        return
    for _, plan in sorted(book.plans.items()):
        typer.echo(f"{plan.lifeline or '-':10} {plan.hazard:16} {plan.title.zh}  {plan.title.en}")


def _lines(plan: Plan, language: Language, grades: Grading) -> list[str]:
    lines = [plan.title.said(language)]
    for number, step in enumerate(sorted(plan.step, key=lambda one: one.within_s), 1):
        minutes = f"{step.within_s / 60:g} min"
        who = step.role.said(language)
        lines.append(f"{number:2}. {minutes:>8}  {who}: {step.do.said(language)}")
    lines += [f"    ☎ {one.name.said(language)} {one.number or '–'}" for one in plan.phone]
    for one in plan.radius:
        mark = "" if one.verified else " (unverified)"
        grade = grades.word(one.grade, language)
        lines.append(f"    {grade}: {one.metres:g} m, {one.source}{mark}")
    lines += [f"    ✗ {text.said(language)}" for text in plan.avoid]
    lines += [f"    ☐ {one.said.said(language)}" for one in plan.check]
    return lines


def _cut(cut: Isolation, language: Language) -> list[str]:
    if not cut.is_possible:
        where = ", ".join(cut.open_to)
        if language == "en":
            return [f"    Cannot be isolated: no closable valve towards {where}"]
        return [f"    无法隔离：通往 {where} 的方向没有可关闭的阀门"]
    names = ", ".join(one.name for one in cut.valves) or "–"
    hospitals = ", ".join(one.said(language) for one in cut.hospitals) or "–"
    if language == "en":
        return [f"    Close {names}: {cut.customers} customers without, hospitals: {hospitals}"]
    return [f"    关闭 {names}：影响用户 {cut.customers} 户，医院：{hospitals}"]
