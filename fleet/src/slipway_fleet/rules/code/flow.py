"""Checks of how code runs: what blocks, what is lost, what happens at import."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from typing import ClassVar

from ..python_code import Module, own_body
from .base import PLATFORM, ModuleCheck

_BLOCKING = (
    "time.sleep", "requests.*", "urllib.request.urlopen", "subprocess.run", "subprocess.call",
    "subprocess.check_output", "subprocess.check_call", "os.system", "socket.create_connection",
    "shutil.copytree", "shutil.rmtree", "sqlite3.connect", "httpx2.get", "httpx2.post",
    "httpx.get", "httpx.post", "input",
)  # fmt: skip


class BlockingCalls(ModuleCheck):
    """An `async` function that waits without `await` stops every request of its process."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield calls that block inside async functions."""
        for function in module.nodes(ast.AsyncFunctionDef):
            for node in own_body(function):
                if isinstance(node, ast.Call):
                    name = module.name(node.func)
                    if any(fnmatch.fnmatchcase(name, blocking) for blocking in _BLOCKING):
                        said = f"{name} blocks the event loop in `{function.name}`."
                        yield node.lineno, said


class LostTasks(ModuleCheck):
    """A task that nobody holds may be collected before it ends, and its error is never seen."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield tasks whose object is thrown away."""
        for node in module.nodes(ast.Expr):
            if isinstance(node.value, ast.Call):
                name = module.name(node.value.func)
                if name in {"asyncio.create_task", "asyncio.ensure_future"}:
                    yield node.lineno, f"The task of {name} is not kept, so it may vanish."


class SwallowedErrors(ModuleCheck):
    """An error that is caught by no name and dropped hides the next outage."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield handlers that catch everything and do nothing, and bare ones."""
        for handler in module.nodes(ast.ExceptHandler):
            everything = handler.type is None or module.name(handler.type) in {
                "Exception",
                "BaseException",
            }
            if everything and all(_does_nothing(node) for node in handler.body):
                yield handler.lineno, "Every error is caught here and dropped without a word."
            elif handler.type is None and not _raises(handler):
                yield handler.lineno, "A bare `except` catches cancellation and exit as well."


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Pass, ast.Continue)) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


class WorkAtImport(ModuleCheck):
    """What is opened or read at import happens in every test and tool, and can not be configured."""

    spared: ClassVar[tuple[str, ...]] = PLATFORM
    _OPENING = (
        "open", "os.environ.get", "os.getenv", "*.create_engine", "*.create_async_engine",
        "*.AsyncClient", "*.Client", "*Settings", "*.connect", "*.from_url", "*.read_text",
        "*.read_bytes", "*.init", "create_engine",
    )  # fmt: skip

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield such calls outside functions and classes."""
        for statement in module.tree.body:
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If)):
                continue
            for node in ast.walk(statement):
                name = module.name(node.func) if isinstance(node, ast.Call) else ""
                if any(fnmatch.fnmatchcase(name, opening) for opening in self._OPENING):
                    yield statement.lineno, f"{name}() runs when the module is imported."
