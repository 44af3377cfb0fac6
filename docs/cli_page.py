"""The reference of the command line, made from the commands themselves."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from rota.cli.main import GROUPS, rota

EVERYWHERE = ("--help", "--url", "--token")

INTRODUCTION = """\
```text
rota [--url URL] [--token TOKEN] COMMAND …
```

`rota --help` lists the commands, `rota COMMAND --help` the options of one. `rota --version` says which Rota it is.

## What a command talks to

- With `--url` (or the variable `ROTA_URL`) to the service there, with the token of `--token` (or `ROTA_TOKEN`). For a
  service on this machine that was set up by the same settings the token is found by itself.
- Else to the database of the [settings](settings.md), directly: whoever may write the database may do everything.
  A command that only looks does not make a database, and none but `rota db migrate` changes the schema of an older one.

`--url` and `--token` may stand before the command or behind it. `up`, `api`, `scheduler`, `worker` and `db` take
neither: they work on this machine. `next` asks nobody.

## What a command prints

- Results go to standard output, everything else to standard error. Lists and `show` print JSON with `--json`: lists an
  array, with the fields of the [REST API](rest.md).
- Errors are one line with what would help: `rota: error: --every: '5' has no unit (write 5s for seconds)`.
- On a terminal, tables are cut to its width and statuses are coloured (not with `NO_COLOR`). Of what jobs wrote, a
  terminal gets text and colours only; into a file or a pipe goes what the job wrote, unchanged.
- Times are those of this machine's zone; times of a schedule are those of its zone.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | it did not work: refused, not found, not reached, or something that was waited for failed |
| 2 | wrong use: an option, an argument or a setting |
| 130 | ended by Ctrl-C |

`rota exec` ends with the exit code of its command. `rota up` and the other roles end with 2 when a setting is wrong (a
port in use, a file that cannot be opened, a database that does not exist, a module that is not there): starting again
does not help then. A database server that does not answer is waited for.

## Values

- A **time** is RFC 3339 with its zone: `2026-11-21T09:00:00Z`, `2026-11-21T10:00:00+01:00`.
- A **duration** is written `500ms`, `30s`, `5m`, `2h`, `7d`, or as a sum such as `1h30m`.
- **JSON** may be read from a file: `--args @order.json`, or from standard input: `--args @-`.
- What begins with a dash and is no option stands behind `--`: `rota exec -- ls -l`.
"""


def cli_page() -> str:
    """Return the reference of all commands."""
    parts = ["# Command line", INTRODUCTION.rstrip()]
    root = click.Context(rota, info_name="rota")
    for title, commands in GROUPS.items():
        parts.append(f"## {title}")
        for name in commands:
            command = rota.get_command(root, name)
            assert command is not None, name
            parts += _command(command, click.Context(command, parent=root, info_name=name), "###")
    return "\n\n".join(parts) + "\n"


def _command(command: click.Command, context: click.Context, heading: str) -> Iterator[str]:
    yield f"{heading} rota {context.command_path.removeprefix('rota ')}"
    yield _paragraphs(command.help or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _command(inner, click.Context(inner, parent=context, info_name=name), heading + "#")
        return
    arguments = [_value(each) for each in command.params if isinstance(each, click.Argument)]
    rows = [_row(each) for each in command.params if isinstance(each, click.Option) and each.opts[0] not in EVERYWHERE]
    yield f"```text\n{' '.join([context.command_path, *(['[OPTIONS]'] if rows else []), *arguments])}\n```"
    if rows:
        yield "\n".join(["| option | meaning |", "|---|---|", *rows])


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in option.opts)
    value = "" if option.is_flag else f" `{_value(option)}`"
    default = f" Default: `{option.default}`." if option.show_default else ""
    needed = " Required." if option.required else ""
    return f"| {names}{_cell(value)} | {_cell(option.help or '')}{default}{needed} |"


def _value(parameter: click.Parameter) -> str:
    """Return how a value is called; written here, since the words of click change with its versions."""
    if isinstance(parameter.type, click.Choice):
        return "|".join(map(str, parameter.type.choices))
    return parameter.metavar or (parameter.name or "").upper()


def _paragraphs(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(re.sub(r"\s+", " ", paragraph) for paragraph in paragraphs)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
