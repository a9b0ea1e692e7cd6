"""What a notebook says without running it: its code, its parameters, and whether it keeps the rules."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stackstudy import params

MAX_CODE_LINES = 60


@dataclass(frozen=True)
class Notebook:
    """A notebook as read from disk: the code of its cells but the parameters cell, and the values of that one."""

    path: Path
    code: tuple[str, ...]
    parameters: dict[str, Any]


def read_notebook(path: Path) -> Notebook:
    """Read a notebook. FileNotFoundError or ValueError: no such file, not a notebook, or a parameters cell amiss."""
    cells = _code_cells(path)
    tagged = [cell for cell in cells if _is_parameters(cell)]
    if len(tagged) != 1:
        raise ValueError(f"{path}: expected one cell tagged `parameters`, found {len(tagged)}")
    code = tuple(_source(cell) for cell in cells if not _is_parameters(cell))
    return Notebook(path, code, _literal_values(path, _source(tagged[0])))


def python_of(code: tuple[str, ...]) -> str:
    """Return the cells as one Python module: magics (``%``) and shell lines (``!``) become comments."""
    lines = "\n".join(code).splitlines()
    return "\n".join(f"# {line}" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def imports_of(path: Path) -> str:
    """Return the import statements of a notebook, a line each."""
    body = ast.parse(python_of(read_notebook(path).code)).body
    return "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def describe(error: ValidationError) -> str:
    """Return pydantic's findings in one line: ``field: what is wrong; other field: ...``."""
    return "; ".join(f"{'.'.join(map(str, finding['loc'])) or 'value'}: {finding['msg']}" for finding in error.errors())


def check_notebook(path: Path) -> list[str]:
    """Return in what a notebook breaks the contract; an empty list when it keeps it.

    One parameters cell with exactly the fields of the notebook's model and valid values, no ``def`` or ``class``,
    at most 60 lines of code, stored outputs without an error.
    """
    model = params.NOTEBOOKS.get(path.stem)
    if model is None:
        return [f"no parameters model of this name: known are {', '.join(params.NOTEBOOKS)}"]
    try:
        notebook = read_notebook(path)
    except ValueError as error:
        return [str(error)]
    return [*_parameter_problems(notebook, model), *_code_problems(notebook), *_output_problems(_code_cells(path))]


def _parameter_problems(notebook: Notebook, model: type[params.Parameters]) -> list[str]:
    try:
        model(**notebook.parameters)
    except ValidationError as error:
        return [f"parameters cell: {describe(error)}"]
    return []


def _code_problems(notebook: Notebook) -> list[str]:
    source = python_of(notebook.code)
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    problems = [f"defines {node.name}" for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    lines = [line for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) > MAX_CODE_LINES:
        problems.append(f"{len(lines)} lines of code, more than {MAX_CODE_LINES}")
    return problems


def _output_problems(cells: list[dict[str, Any]]) -> list[str]:
    outputs = [output for cell in cells for output in cell["outputs"]]
    problems = [f"stored error: {out['ename']}: {out['evalue']}" for out in outputs if out["output_type"] == "error"]
    if not outputs or any(cell["execution_count"] is None for cell in cells if _source(cell).strip()):
        problems.append("has no stored outputs, or cells that were not executed")
    return problems


def _code_cells(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise FileNotFoundError(f"no notebook {path}")
    try:
        return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error


def _source(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _is_parameters(cell: dict[str, Any]) -> bool:
    return "parameters" in cell.get("metadata", {}).get("tags", [])


def _literal_values(path: Path, source: str) -> dict[str, Any]:
    values = {}
    for statement in ast.parse(source).body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                values[name] = _literal(path, name, value)
            case _:
                raise ValueError(f"{path}: line {statement.lineno} of the parameters cell is not `name = value`")
    return values


def _literal(path: Path, name: str, value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except ValueError as error:
        raise ValueError(f"{path}: parameter {name} is not a plain value: {ast.unparse(value)}") from error
