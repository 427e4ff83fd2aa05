"""`fleet rules`: the standards that hold, why, and whether each does what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import DEFAULT_CONFIG, ConfigOption, JsonOption, note, print_json, print_table
from ..errors import ConfigError, Exit
from .check import load_config

if TYPE_CHECKING:
    from ..rules.examples import Verdict
    from ..rules.model import Rule


def register(app: typer.Typer) -> None:
    """Add the commands."""
    rules = typer.Typer(help="The standards that projects are held to.", no_args_is_help=True)
    rules.command("list")(list_rules)
    rules.command()(explain)
    rules.command("test")(try_rules)
    rules.command()(docs)
    app.add_typer(rules, name="rules")


def list_rules(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List the rules that hold here."""
    from ..checking import selected_rules  # noqa: PLC0415  # imports what other commands need not

    rules = selected_rules(load_config(config))
    if json:
        print_json({"rules": [_as_json(rule) for rule in rules]})
        return
    rows = [(r.id, r.grade.value, r.level.value, r.family, r.title) for r in rules]
    print_table("", ["rule", "grade", "level", "family", "what a project can say"], rows)


def _as_json(rule: Rule) -> dict[str, object]:
    names = ("id", "title", "family", "grade", "level", "lifecycle", "waivable", "effort")
    plain = {name: getattr(rule, name) for name in names}
    more = {"when": dict(rule.when), "controls": {k: list(v) for k, v in rule.controls.items()}}
    return plain | more | {"why": rule.why, "fix": rule.fix, "check": rule.kind}


def find_rule(rules: list[Rule], name: str) -> Rule:
    """Return a rule by its id; raises `ConfigError`."""
    found = next((rule for rule in rules if rule.id == name.upper()), None)
    if found is None:
        raise ConfigError(f"there is no rule {name}: see `fleet rules list`")
    return found


def explain(
    rule: Annotated[str, typer.Argument(help="The id of a rule.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Say what a rule asks for, why, and what to do about a finding."""
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..rules.docs import page  # noqa: PLC0415  # as above

    found = find_rule(selected_rules(load_config(config)), rule)
    if json:
        print_json(_as_json(found))
    else:
        typer.echo(page(found), nl=False)


def try_rules(
    template: Annotated[str, typer.Option("--template", help="A clone or an address of it.")],
    rule: Annotated[list[str] | None, typer.Option("--rule", help="Only these.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Try each rule on projects that keep it and projects that break it, freshly rendered."""
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..rules.trying import verdicts  # noqa: PLC0415  # as above

    rules = selected_rules(load_config(config))
    chosen = [find_rule(rules, name) for name in rule] if rule else rules
    made = verdicts(rules, chosen, template)
    wrong = [one for one in made if one.problem]
    if json:
        rows = [{"rule": v.rule, "example": v.example, "problem": v.problem} for v in made]
        print_json({"examples": rows})
    else:
        _show(wrong)
        note(f"{len(made)} examples of {len(chosen)} rules, {len(wrong)} wrong")
    raise typer.Exit(Exit.FINDINGS if wrong else Exit.CLEAN)


def _show(wrong: list[Verdict]) -> None:
    if wrong:
        rows = [(v.rule, v.example, v.problem) for v in wrong]
        print_table("", ["rule", "example", "what is wrong"], rows)


def docs(
    folder: Annotated[Path, typer.Argument(help="Where the pages are written.")],
    config: ConfigOption = DEFAULT_CONFIG,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what is stale.")
    ] = False,
) -> None:
    """Write a page for each rule, and an index of them."""
    from ..checking import selected_rules  # noqa: PLC0415  # as above
    from ..rules.docs import pages  # noqa: PLC0415  # as above

    wanted = pages(selected_rules(load_config(config)))
    present = {p.name: p.read_text("utf-8") for p in folder.glob("*.md")} if folder.is_dir() else {}
    stale = sorted(
        {n for n in wanted if present.get(n) != wanted[n]} | (present.keys() - wanted.keys())
    )
    if check:
        for name in stale:
            typer.echo(f"stale: {name}")
        raise typer.Exit(Exit.FINDINGS if stale else Exit.CLEAN)
    folder.mkdir(parents=True, exist_ok=True)
    for name in stale:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()
    note(f"{len(stale)} pages written to {folder}")
