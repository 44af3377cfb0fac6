"""What all commands share: where ``--url`` may stand, and errors that speak of options as they were typed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from rota.errors import Invalid, meant

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Command(click.Command):
    """A command that works with the settings of this machine, not with a service at some address."""

    takes_url = False

    def __init__(self, *arguments: Any, fields: Mapping[str, str] | None = None, **options: Any) -> None:
        """``fields`` says which option a field of the API came from, where their names differ."""
        options["context_settings"] = CONTEXT | (options.get("context_settings") or {})
        super().__init__(*arguments, **options)
        self._fields = dict(fields or {})

    def invoke(self, ctx: click.Context) -> Any:
        given = ctx.find_root().params
        if not self.takes_url and (given.get("url") or given.get("token")):
            name = "--url" if given.get("url") else "--token"
            raise click.UsageError(f"{name} is not for this command: it works with the settings of this machine", ctx)
        try:
            return super().invoke(ctx)
        except Invalid as error:
            raise self._as_typed(error, ctx) from error

    def _as_typed(self, error: Invalid, ctx: click.Context) -> Invalid:
        """Name the option, not the field or the setting that it became."""
        field = re.sub(r"^(?:jobs\.[0-9]+|filter)\.|\.[0-9]+$", "", error.field)
        name = field.removeprefix("ROTA_").replace("_", "-")
        if name == field:
            name = re.sub(r"(?<=[a-z])([A-Z])", r"-\1", field)
        option = self._fields.get(field, f"--{name.lower()}")
        if not any(option in (*each.opts, each.metavar) and _was_given(each, ctx) for each in self.params):
            return error
        found = Invalid(option, error.reason, hint=error.hint)
        found.status = error.status
        return found


def _was_given(parameter: click.Parameter, ctx: click.Context) -> bool:
    return ctx.params.get(parameter.name or "") not in (None, (), False)


def _keep_at_root(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and parameter.name is not None:
        ctx.find_root().params[parameter.name] = value


class ClientCommand(Command):
    """A command that asks a service, or the database of the settings: ``--url`` may stand behind its name too."""

    takes_url = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.params += [
            click.Option(["--url"], metavar="URL", expose_value=False, callback=_keep_at_root, help=URL_HELP),
            click.Option(["--token"], metavar="TOKEN", expose_value=False, callback=_keep_at_root, help=TOKEN_HELP),
        ]


URL_HELP = "Ask the service there (ROTA_URL), not the database of the settings."
TOKEN_HELP = "Token for that service (ROTA_TOKEN)."


class Group(click.Group):
    """Commands about one thing; a name that is none of them is answered with the one that was meant."""

    command_class = Command

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["context_settings"] = CONTEXT | (options.get("context_settings") or {})
        super().__init__(*arguments, **options)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which one needs them, not that of the alphabet."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            hint = meant(name, self.list_commands(ctx))
            raise click.UsageError(f"there is no command {name!r}" + (f"; {hint}" if hint else ""), ctx)
        return super().resolve_command(ctx, args)


class ClientGroup(Group):
    """Commands that ask a service, or the database of the settings."""

    command_class = ClientCommand


class WholeNumber(click.IntRange):
    """A whole number within bounds, refused in words."""

    @property
    def least(self) -> int:
        return int(self.min or 0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII):
            number = int(text)
            if self.least <= number and (self.max is None or number <= self.max):
                return number
        expected = f"of at least {self.least}" if self.max is None else f"from {self.least} to {self.max:.0f}"
        raise click.BadParameter(f"expected a whole number {expected}, not {text[:80]!r}", ctx, param)


def error_line(error: click.ClickException) -> str:
    """Return a mistake in the use of a command as one line: what is wrong, and what would help."""
    text, hint = _reason(error)
    context = error.ctx if isinstance(error, click.UsageError) else None
    if hint is None and context is not None:
        hint = f"see {context.command_path} --help"
    text = " ".join(text.split()).rstrip(".")
    return f"{text} ({hint})" if hint else text


def _reason(error: click.ClickException) -> tuple[str, str | None]:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name}", meant(error.option_name, _options(error.ctx), cutoff=0.7)
    if isinstance(error, click.MissingParameter):
        return f"{_name(error)} is missing", _choices(error.param)
    if isinstance(error, click.BadParameter):
        if isinstance(error.param, click.Parameter) and isinstance(error.param.type, click.Choice):
            given = error.message.partition("'")[2].partition("'")[0]
            return f"{_name(error)}: {given!r} is unknown", _choices(error.param)
        return f"{_name(error)}: {error.message}", None
    return _lowered(error.format_message()), None


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _name(error: click.BadParameter) -> str:
    parameter = error.param
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    if parameter is not None:
        return parameter.make_metavar(error.ctx) if error.ctx is not None else str(parameter.name)
    hint = error.param_hint
    return hint if isinstance(hint, str) else ", ".join(hint or ("a value",))


def _choices(parameter: click.Parameter | None) -> str | None:
    if parameter is None or not isinstance(parameter.type, click.Choice):
        return None
    return f"one of {', '.join(str(choice) for choice in parameter.type.choices)}"


def _options(ctx: click.Context | None) -> Sequence[str]:
    return [] if ctx is None else [name for parameter in ctx.command.params for name in parameter.opts]
