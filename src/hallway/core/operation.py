"""An operation: a service method that every face offers, declared once.

`@operation` turns a method into a call through its bus: the arguments are checked against the vocabulary, then the
bus executes it, in a transaction here or over HTTP there. The declaration is what the HTTP routes, the OpenAPI
document, the command line, the remote client and the MCP tools are read off. It decides nothing about transport.

A reading operation with a parameter `wait_s` may wait: an empty result means "nothing yet", and so does the version
that the caller has already; the call lasts until there is something or its `wait_s` has passed. The method itself only
looks; whoever runs it looks again at each wake-up of `topic(arguments)`, holding neither transaction nor thread that
others need.

What costs time with the size of a text and needs nothing of the bus is done by `prepare`, before the transaction in
which an operation runs: looking for secrets, and whatever the operation declares as its `preparation`.
"""

from __future__ import annotations

import builtins

from hallway.core.errors import IdentityMissing, InvalidInput, NotFound
from hallway.core.model import Record
from hallway.core.parameters import PROJECT_OR_ALL, type_of
from hallway.core.schema import ArrayOf, Identifier, Json, Text
from hallway.core.secret_scan import refuse_secret, replace_secrets
from hallway.core.topics import topic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

    from hallway.core.context import Context
    from hallway.core.schema import FieldType

    P = ParamSpec("P")
    R = TypeVar("R")

    class Owner(Protocol):
        """The service whose method an operation is."""

        bus: Context
        prepared: Any
        is_standalone: bool

    S = TypeVar("S", bound=Owner)

_MISSING = object()
ACTORS = ("from_session", "session_id")  # as whom a write is done
REFUSE, REPLACE, KEEP = "refuse", "replace", "keep"  # what becomes of a secret in a write's texts
SMALL = 4096  # characters; looking at so few takes less time than handing them to another thread


class Parameter:
    """One parameter of an operation: its name, its kind, and what it is when left out."""

    __slots__ = ("default", "is_required", "kind", "name")

    def __init__(self, name: str, kind: FieldType, default: Any) -> None:
        self.name = name
        self.kind = kind
        self.is_required = default is _MISSING
        self.default = None if default is _MISSING else default

    @property
    def has_text(self) -> bool:
        """Return whether it takes what somebody writes, which is no name for addressing and no word out of a few."""
        kind = self.kind.item if isinstance(self.kind, ArrayOf) else self.kind
        return isinstance(kind, Text | Json) and not isinstance(kind, Identifier)


class Prepared(dict[str, Any] if TYPE_CHECKING else dict):  # type: ignore[misc]
    """Checked arguments that `Operation.prepare` is done with, and the `work` that it has done of them."""

    __slots__ = ("work",)
    work: Any


class Operation:
    """What faces know of a service method.

    `method` and `path` are its HTTP route; `verb` its command-line words (None: none); `body` the parameter that is
    the whole request body, where there is one; `is_durable` whether its commit waits for the disk; `waits_for` the
    parameter that says whose news it may wait for. `words` are the parameters that the command line wants in order
    and without a flag: unless declared, the required ones. `actor` is the parameter that says as whom it acts: of a
    write its `from_session` or `session_id`, of a read whose news it waits for. `is_admins`: only admins may, as they
    alone may write as nobody. `is_persons`: it acts as the caller's person, whom no parameter names. `secrets` is what
    becomes of a secret in a write's texts: an operation that can be told to allow it refuses it otherwise, any other
    one replaces it by its kind unless declared `keep`. `preparation` names the service's method that `prepare` calls
    with the arguments; the operation finds what it returned in `self.prepared`. `unknown` is what a standalone service
    answers with where there is nothing of the id. `is_of_all`: with its project left out it is about every project.
    `registers`: an act by a session that the bus has never seen registers it, as a heartbeat does; so does any act of a
    `from_session`, and of a required `session_id` that is not the address (`/sessions/ID/…`) of what is asked for.
    `takes_id`: the session that it registers is taken as an id, whatever another one is called. `references` are the
    parameters that name sessions (S10). `refresh` names the service's method that brings up to date what a read is
    derived from, before its snapshot.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        http: str,
        verb: str | None,
        body: str | None,
        is_durable: bool,
        words: tuple[str, ...],
        waits_for: str | None,
        is_admins: bool = False,
        secrets: str | None = None,
        preparation: str | None = None,
        unknown: Any = _MISSING,
        is_of_all: bool = False,
        registers: bool = False,
        is_persons: bool = False,
        takes_id: bool = False,
        refresh: str | None = None,
    ) -> None:
        self.function = function
        self.refresh = refresh
        self.preparation = preparation
        self.answers_unknown = unknown is not _MISSING
        self.unknown = unknown
        self.is_of_all = is_of_all
        self.registers = registers
        self.takes_id = takes_id
        self.references: tuple[str, ...] = ()
        self.secrets = secrets or REPLACE
        self.method, self.path = http.split(" ")
        self.verb = verb
        self.body = body
        self.is_durable = is_durable
        self.words = words
        self.waits_for = waits_for
        self.is_admins = is_admins
        self.is_persons = is_persons
        self.actor = waits_for
        self.is_write = self.method != "GET"
        self.noun = self.name = ""
        self.texts: tuple[str, ...] = ()  # the parameters of a write that take what somebody writes
        self.parameters: dict[str, Parameter] = {}
        self.defaults: dict[str, Any] = {}
        self.required: tuple[str, ...] = ()

    def join(self, noun: str) -> None:
        """Read the parameters off the function, in the words of its noun."""
        code, defaults = self.function.__code__, self.function.__defaults__ or ()
        positional = code.co_varnames[1 : code.co_argcount]
        keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        by_name = dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True))
        by_name |= self.function.__kwdefaults__ or {}
        self.noun, self.name = noun, f"{noun}.{self.function.__name__}"
        self.positional = positional
        self.parameters = {
            name: Parameter(name, type_of(noun, name), by_name.get(name, _MISSING)) for name in positional + keyword
        }
        self.returns = self._read_returns()
        for part in self.path.split("{")[1:]:
            if (name := part.partition("}")[0]) not in self.parameters:
                raise self._incomplete(f"has {{{name}}} in its path, but no parameter {name!r}")
        if not self.about:
            raise self._incomplete("has no docstring, whose first line is its help")
        self.defaults = {name: each.default for name, each in self.parameters.items()}
        self.required = tuple(name for name, each in self.parameters.items() if each.is_required)
        self.references = tuple(name for name, each in self.parameters.items() if each.kind.is_reference)
        if self.is_of_all:
            self.parameters["project"].kind = PROJECT_OR_ALL
        self.words = self.words or tuple(each.name for each in self.parameters.values() if each.is_required)
        if self.is_write:
            self.actor = next((name for name in ACTORS if name in self.parameters), None)
            self.is_admins = self.actor is None and not self.is_persons
            is_named = self.actor is not None and self.parameters[self.actor].is_required
            self.registers |= is_named and "{session_id}" not in self.path
            self.texts = tuple(name for name, each in self.parameters.items() if each.has_text)
        if "allow_secret" in self.parameters:
            self.secrets = REFUSE

    @property
    def short_names(self) -> dict[str, str]:
        """Return the names of parameters that a URL's query may call otherwise, by that other name."""
        return {each.kind.short: each.name for each in self.parameters.values() if each.kind.short}

    @property
    def introduces(self) -> bool:
        """Return whether the program that calls it is the session it names; a heartbeat may also be another's."""
        return self.name == "sessions.register"

    @property
    def long_place(self) -> str | None:
        """Return the parameter in the path that may hold slashes, if there is one: a text, which is no id."""
        return next((each.name for each in self.parameters.values() if each.has_text and self._is_in_path(each)), None)

    def _is_in_path(self, parameter: Parameter) -> bool:
        return f"{{{parameter.name}}}" in self.path

    @property
    def about(self) -> str:
        """Return the docstring's first line: help, menu entry and tool description."""
        return (self.function.__doc__ or "").partition("\n")[0].strip()

    def _read_returns(self) -> tuple[type, bool]:
        """Return the result: a type, and whether the operation gives a list of them."""
        text = self.function.__annotations__.get("return", "")
        is_list = text.startswith("list[")
        name = text[5:-1] if is_list else text
        kind = self.function.__globals__.get(name) or getattr(builtins, name, None)
        if kind is None:
            raise self._incomplete(f"returns {text!r}: annotate it with a record, and import that record there")
        return kind, is_list

    def _incomplete(self, lack: str) -> LookupError:
        return LookupError(f"src/{self.function.__module__.replace('.', '/')}.py: {self.name} {lack}")

    def arguments(
        self,
        positional: tuple[Any, ...],
        named: Mapping[str, Any],
        *,
        title: str = "",
        label: Callable[[str], str] = str,
    ) -> dict[str, Any]:
        """Bind and check a call's arguments; None for an optional one means: left out.

        `title` and `label` are how the caller knows the operation and its parameters, for errors. Raises InvalidInput
        for a missing, unknown or ill-typed one, TooLarge for one over its limit.
        """
        title = title or self.name
        if positional:
            if len(positional) > len(self.positional):
                raise InvalidInput(f"{title} takes {len(self.positional)} positional parameters")
            placed = dict(zip(self.positional, positional, strict=False))
            if twice := placed.keys() & named.keys():
                raise InvalidInput(f"{title} is given {min(twice)} twice")
            named = {**placed, **named}
        checked = self.defaults.copy()
        parameters = self.parameters
        for name, value in named.items():
            if name in parameters and (value is not None or parameters[name].kind.is_nullable):
                checked[name] = parameters[name].kind.check(label(name), value)
        for name in self.required:
            if checked[name] is None and not (name in named and parameters[name].kind.is_nullable):
                missing = IdentityMissing if name == "session_id" and self.is_write else InvalidInput
                raise missing(f"{title} needs {label(name)}: {parameters[name].kind.about or 'it is required'}")
        if not named.keys() <= parameters.keys():
            self._refuse_unknown(named, title)
        return checked

    def _refuse_unknown(self, named: Mapping[str, Any], title: str) -> None:
        from hallway.core.near_names import near_matches

        unknown = next(name for name in named if name not in self.parameters)
        near = near_matches(unknown, list(self.parameters))
        raise InvalidInput(
            f"{title} has no parameter {unknown[:60]!r}",
            hint=f"Did you mean {near[0]}?" if near else f"It has: {', '.join(self.parameters)}",
        )

    @property
    def can_wait(self) -> bool:
        """Return whether a call may wait for its result, for as long as its `wait_s` says."""
        return "wait_s" in self.parameters

    def topic(self, arguments: Mapping[str, Any]) -> str:
        """Return the topic that a waiting call wakes at; services put the same topic among a transaction's changes."""
        return topic(self.noun, arguments[self.waits_for] if self.waits_for else "")

    def is_news(self, result: Any, arguments: Mapping[str, Any]) -> bool:
        """Return whether a waiting call has what it waits for: a result, or another version than the one it names."""
        return bool(result) if self.waits_for else result.version != arguments["version"]

    def is_small(self, arguments: Mapping[str, Any]) -> bool:
        """Return whether `prepare` has so little to look at that another thread would cost more."""
        left = SMALL
        for name in self.texts:
            left = _left_of(arguments[name], left)
        return left > 0

    def prepare(self, service: Owner, arguments: dict[str, Any]) -> Prepared:
        """Do what takes longer the longer a text is, and needs nothing of the bus: before the transaction begins.

        Raises SecretFound. What is prepared already is returned as it is.
        """
        if isinstance(arguments, Prepared):
            return arguments
        prepared = Prepared(arguments)
        if self.secrets == REPLACE:
            for name in self.texts:
                if arguments[name]:
                    prepared[name] = replace_secrets(arguments[name])
        elif self.secrets == REFUSE and not arguments["allow_secret"]:
            for name in self.texts:
                refuse_secret(name, arguments[name])
        prepared.work = getattr(service, self.preparation)(prepared) if self.preparation else None
        return prepared


def operation(
    http: str,
    *,
    verb: str | None = None,
    body: str | None = None,
    is_durable: bool = True,
    words: tuple[str, ...] = (),
    waits_for: str | None = None,
    is_admins: bool = False,
    secrets: str | None = None,
    preparation: str | None = None,
    unknown: Any = _MISSING,
    is_of_all: bool = False,
    registers: bool = False,
    is_persons: bool = False,
    takes_id: bool = False,
    refresh: str | None = None,
) -> Callable[[Callable[Concatenate[S, P], R]], Callable[Concatenate[S, P], R]]:
    """Declare a service method as an operation; see `Operation` for what the words mean."""

    def declare(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
        declared = Operation(
            function,
            http,
            verb,
            body,
            is_durable,
            words,
            waits_for,
            is_admins,
            secrets,
            preparation,
            unknown,
            is_of_all,
            registers,
            is_persons,
            takes_id,
            refresh,
        )

        def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                arguments = declared.arguments(args, kwargs)
                result: R = self.bus.execute(declared, self, arguments)
            except NotFound:
                if not (declared.answers_unknown and self.is_standalone):
                    raise
                return declared.unknown  # type: ignore[no-any-return]
            except InvalidInput as error:
                error.hint_for_face({InvalidInput.code: f"See: help({type(self).__name__}.{function.__name__})"})
                raise
            if declared.introduces and declared.actor:
                self.bus.act_as(arguments[declared.actor])
            return result

        call.__name__, call.__qualname__, call.__doc__ = function.__name__, function.__qualname__, function.__doc__
        call.__module__, call.__annotations__ = function.__module__, function.__annotations__  # whose names those use
        call.__wrapped__ = function  # type: ignore[attr-defined]
        call.operation = declared  # type: ignore[attr-defined]
        return call

    return declare


def _left_of(value: Any, left: int) -> int:
    """Return what is left of a number of characters after those of a value; it stops counting at none."""
    if left <= 0 or value is None:
        return left
    if isinstance(value, str):
        return left - len(value)
    if isinstance(value, dict):
        for key, each in value.items():
            left = _left_of(each, left - len(key))
    elif isinstance(value, list | tuple):
        for each in value:
            left = _left_of(each, left)
    return left - 1


def decode_result(declared: Operation, value: Any) -> Any:
    """Return a result that came as JSON, as the types the operation declares."""
    kind, is_list = declared.returns
    if is_list:
        return [decode_record(kind, item) for item in value]
    return decode_record(kind, value)


def decode_record(kind: type, value: Any) -> Any:
    """Return a JSON object as the record that it was; times become datetimes."""
    if value is None or not issubclass(kind, Record):
        return value
    return kind(**{name: _decode_field(kind, name, value[name]) for name in kind._fields})


def _decode_field(record: type[Record], name: str, value: Any) -> Any:
    import hallway.core.model
    from hallway.core.clock import parse_time

    annotation = record.__annotations__[name]
    if annotation.startswith("datetime"):
        return None if value is None else parse_time(value)
    item = annotation.removeprefix("list[").removesuffix("]")
    nested = vars(hallway.core.model).get(item)
    if not (isinstance(nested, type) and issubclass(nested, Record)):
        return value
    return [decode_record(nested, each) for each in value] if item != annotation else decode_record(nested, value)
