"""Generate docs/operations/ from the registry of operations."""

from __future__ import annotations

from models.operations import OPERATIONS, Operation, parse
from models.operations.parameter_docs import curl_fields, list_form, parameter_rows, summary
from models.operations.steps import final_encoding
from models.tasks.filenames import result_names

_FROM = "cat.png"
_ORIGIN = (
    "<sub>Written by `python -m docs` from `models/operations/{module}`; change it there.</sub>\n"
)


def pages() -> dict[str, str]:
    """Return the text of every page by its file name: one for each operation, and README.md."""
    found = {f"{op}.md": _page(spec) for op, spec in OPERATIONS.items()}
    return {**found, "README.md": _index()}


def _index() -> str:
    lines = [
        f"| [{op}]({op}.md) | {summary(spec)} | {_list_form(spec)} |"
        for op, spec in OPERATIONS.items()
    ]
    return "\n".join(
        [
            "# Operations",
            "",
            "Each has a route of its name, and a place in the `operations` of `POST /process`,",
            "which are done from left to right, decoded once and encoded once.",
            "",
            "| operation | does | in a list |",
            "|---|---|---|",
            *lines,
            "",
            _ORIGIN.format(module=""),
        ]
    )


def _page(spec: type[Operation]) -> str:
    example = parse(spec.op, spec.example)
    output = final_encoding([example], "png").format
    number = 1 if spec.parts > 1 else 0
    name = next(result_names(_FROM, [example], output, "0" * 64, number))
    made = f"`{name}`" + (f" and so on, {spec.parts} of them" if number else "")
    return "\n".join(
        [
            f"# {spec.op}",
            "",
            summary(spec),
            "",
            f"![Before, and after {example.label()}]({spec.op}.jpg)",
            "",
            "```sh",
            f"curl -F image=@{_FROM}{curl_fields(spec)} localhost:8080/{spec.op}",
            "```",
            "",
            f"makes {made}. As one of several operations:",
            "",
            "```sh",
            f"curl -F image=@{_FROM} -F {_field(spec)} localhost:8080/process",
            "```",
            "",
            *_table(spec),
            "",
            _ORIGIN.format(module=f"{spec.op}.py"),
        ]
    )


def _field(spec: type[Operation]) -> str:
    """Return the form field of the operation's example, quoted for a shell."""
    field = f"operations={list_form(spec)}"
    return f"'{field}'" if " " in field else field


def _list_form(spec: type[Operation]) -> str:
    return f"`{list_form(spec)}`"


def _table(spec: type[Operation]) -> list[str]:
    if not spec.model_fields:
        return ["It takes no parameters."]
    lines = ["| parameter | default | takes | what it is |", "|---|---|---|---|"]
    lines += [
        f"| `{r.name}` | {r.default} | {r.values} | {r.description} |" for r in parameter_rows(spec)
    ]
    if spec.shorthand is not None:
        lines += ["", f"In a list, `{spec.op}=VALUE` sets `{spec.shorthand}`."]
    return lines
