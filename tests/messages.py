"""Prints every text of the program that a user can see: `python -m tests.messages`.

The texts of errors, of messages and warnings, of usage errors, of help pages. What is filled in when they are shown
stands in braces.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SPEAKING = {"say", "warn", "detail", "print_text", "BadParameter", "fail", "progress", "Option", "Argument", "Typer"}
LEAST = 3  # letters in a row: below that it is a format, not a text


@dataclass(frozen=True)
class Message:
    """A text with where it stands. kind: `error`, `message`, `help` or `setting`."""

    path: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        """As `grep -n` shows it."""
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.kind}: {self.text}"


def messages() -> Iterator[Message]:
    """All of them, file by file."""
    for folder in ("lfsgan_cli", "adapters/lfsgan_adapters"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line, kind, text in sorted(set(_found(ast.parse(path.read_text(encoding="utf-8"))))):
                if sum(char.isalpha() for char in text) >= LEAST:
                    yield Message(path, line, kind, " ".join(text.split()))


def _found(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() if any("Error" in ast.unparse(base) or base_is_warning(base) for base in node.bases):
                yield from ((line, "error", text) for line, text in _texts_of_calls(node))
            case ast.Raise(exc=ast.Call() as call):
                yield from ((line, "error", text) for line, text in _arguments(call))
            case ast.Call(func=func) if _name(func) in SPEAKING:
                kind = "help" if _name(func) in {"Option", "Argument", "Typer"} else "message"
                yield from ((line, kind, text) for line, text in _arguments(node))
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[_, ast.Constant(str(text)), *_])):
                yield node.lineno, "setting", text
            case ast.FunctionDef() if _is_command(node):
                yield node.lineno, "help", ast.get_docstring(node) or ""
            case _:
                pass


def base_is_warning(base: ast.expr) -> bool:
    """Whether a class is derived from Python's warnings."""
    return ast.unparse(base).endswith("Warning")


def _is_command(function: ast.FunctionDef) -> bool:
    return any(argument.arg in {"as_json", "dry_run"} for argument in function.args.args)


def _texts_of_calls(node: ast.AST) -> Iterator[tuple[int, str]]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"super().__init__", "str", "one_line"}:
            yield from _arguments(call)


def _arguments(call: ast.Call) -> Iterator[tuple[int, str]]:
    for value in [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg in {None, "help"})]:
        for part in _outermost(value):
            yield part.lineno, _text(part)


def _outermost(value: ast.expr) -> Iterator[ast.expr]:
    """The texts in an expression, such as both of `a if b else c`."""
    if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str)):
        yield value
    elif isinstance(value, ast.IfExp | ast.BinOp | ast.BoolOp):
        for child in ast.iter_child_nodes(value):
            if isinstance(child, ast.expr):
                yield from _outermost(child)


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant) else f"{{{ast.unparse(part.value)}}}"
            for part in value.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        )
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


if __name__ == "__main__":
    sys.stdout.writelines(f"{message}\n" for message in messages())
