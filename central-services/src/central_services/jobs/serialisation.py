# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Arguments and results as JSON, and back into what a task's annotations say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from .errors import InvalidArgumentsError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_ANYTHING = (inspect.Parameter.empty, Any)


def dump_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Return arguments as JSON.

    Raises:
        InvalidArgumentsError: When there is no JSON for one of them.
    """
    try:
        return orjson.dumps((args, kwargs), default=_jsonable)
    except TypeError as error:
        raise InvalidArgumentsError(f"an argument can't be written as JSON: {error}") from error


def _jsonable(value: object) -> object:
    """Return what pydantic would write for a value that JSON does not know."""
    from pydantic_core import to_jsonable_python  # noqa: PLC0415  # few arguments need it

    try:
        return to_jsonable_python(value)
    except ValueError as error:  # orjson takes a TypeError only
        raise TypeError(str(error)) from error


class TaskTypes:
    """The arguments and the result of a task, as its annotations say.

    Nothing is looked at before it is needed: annotations may name what is imported later.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @cached_property
    def _signature(self) -> inspect.Signature:
        """The signature without the context."""
        whole = inspect.signature(self._function)
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self._function, include_extras=True)

    @cached_property
    def _adapters(self) -> dict[str, TypeAdapter[Any]]:
        """What validates each argument that has a type."""
        from pydantic import TypeAdapter  # noqa: PLC0415  # a process that only enqueues needs none

        found = {name: self._hints.get(name, Any) for name in self._signature.parameters}
        return {name: TypeAdapter(hint) for name, hint in found.items() if hint not in _ANYTHING}

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        from pydantic import TypeAdapter  # noqa: PLC0415  # as above

        return TypeAdapter(self._hints.get("return", Any))

    def check(self) -> None:
        """Look at all annotations now.

        Raises:
            NameError: When one can't be resolved.
            TypeError: When pydantic knows no schema for one.
        """
        assert self._adapters is not None  # noqa: S101  # builds them
        assert self._result is not None  # noqa: S101  # the same

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Return arguments by name, defaults included.

        Raises:
            TypeError: When they don't fit the signature.
        """
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def load_arguments(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return validated arguments, positional and by name.

        Raises:
            InvalidArgumentsError: When the payload does not fit the task's annotations.
        """
        try:
            args, kwargs = orjson.loads(payload)
            if not args and not kwargs and not self._adapters:
                return (), {}
            bound = self._signature.bind(*args, **kwargs)
            for name, value in bound.arguments.items():
                bound.arguments[name] = self._validated(name, value)
        except (TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise InvalidArgumentsError(str(error)) from error
        return bound.args, bound.kwargs

    def _validated(self, name: str, value: Any) -> Any:  # noqa: ANN401  # any argument of a task
        adapter = self._adapters.get(name)
        if adapter is None:
            return value
        kind = self._signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            return tuple(adapter.validate_python(one) for one in value)
        if kind is inspect.Parameter.VAR_KEYWORD:
            return {key: adapter.validate_python(one) for key, one in value.items()}
        return adapter.validate_python(value)

    def dump_result(self, value: object) -> bytes:
        """Return a result as JSON.

        Raises:
            ValueError: When it is not what the task's annotation says.
        """
        if value is None and self._hints.get("return", Any) in {None, type(None), Any}:
            return b"null"
        return self._result.dump_json(self._result.validate_python(value))

    def load_result(self, stored: bytes) -> object:
        """Return what `dump_result` wrote."""
        return self._result.validate_json(stored)
