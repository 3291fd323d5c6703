"""A graph as Keras source code: what a researcher takes home, readable and free of this framework.

Running it gives the same layers in the same order as `nas.language.keras_model`, so weights carry over one to one.
"""

from __future__ import annotations

import builtins
import keyword
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

from nas.errors import SpaceError, UserError
from nas.language.graph import Graph, Node
from nas.language.pricing import price

_WIDTH = 128  # columns
# What people write without a keyword: the first parameters of every stock layer that has them, in this order
_POSITIONAL = ("filters", "units", "kernel_size", "pool_size", "size", "rate", "target_shape")
_TAKEN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "keras", "layers", "l", "I", "O"})


def write_source(graph: Graph, function_name: str = "build_model") -> str:
    """Python source of a module with one function that returns the network as a `keras.Model`.

    One statement a layer, its output shape as a comment. Layer names are the graph's; variable names are made from them,
    safe whatever they are.

    Raises:
        UserError: `function_name` is not a name that Python accepts.
        SpaceError: an operation's Keras call cannot be written as plain code.
    """
    if not function_name.isidentifier() or keyword.iskeyword(function_name) or function_name in ("keras", "layers"):
        raise UserError(
            f"{function_name!r} cannot name the function",
            path="function_name",
            received=function_name,
            expected="a Python identifier other than `keras` and `layers`",
        )
    graph = graph.live()
    variables = _variables(graph.nodes, taken={function_name})
    body = [line for node in graph.nodes.values() for line in _statement(node, variables)]
    ends = [_one_or_list([variables[name] for name in names]) for names in (graph.inputs, graph.outputs)]
    returned = _call("return keras.Model", [*ends, 'name="network"'])
    cost, layers = price(graph), sum(node.call is not None for node in graph.nodes.values())
    summary = f"A network of {layers} layers: {cost.params:,} parameters, {cost.flops / 1e6:,.1f} MFLOPs an example."
    import_layers = ["from keras import layers"] if layers else []
    return "\n".join(
        [
            f'"""{summary}"""',
            "",
            "import keras",
            *import_layers,
            "",
            "",
            f"def {function_name}() -> keras.Model:",
            *body,
            *returned,
            "",
            "",
            'if __name__ == "__main__":',
            f"    {function_name}().summary()",
            "",
        ]
    )


def _statement(node: Node, variables: dict[str, str]) -> list[str]:
    """The lines that make one layer and apply it."""
    variable = variables[node.name]
    if node.call is None:
        return _call(f"{variable} = keras.Input", [_literal(tuple(node.shape), node), f"name={_literal(node.name, node)}"])
    names = [node.call.layer, *node.call.kwargs]
    if not all(str(n).isidentifier() and not keyword.iskeyword(n) for n in names):
        raise SpaceError(f"{node.call} cannot be written as a call", path=node.path, expected="Python identifiers as names")
    keywords = dict(node.call.kwargs)
    arguments = [_literal(keywords.pop(key), node) for key in _POSITIONAL if key in keywords]
    arguments += [f"{key}={_literal(value, node)}" for key, value in keywords.items()]
    sources = [variables[source] for source in node.inputs]
    shape = "x".join(str(int(size)) for size in node.shape)
    arguments.append(f"name={_literal(node.name, node)}")
    return _call(f"{variable} = layers.{node.call.layer}", arguments, sources, shape, separate=node.call.separate)


def _call(
    head: str, arguments: Sequence[str], sources: Sequence[str] = (), comment: str = "", separate: bool = False
) -> list[str]:
    """`head(arguments)(sources)  # comment` on one line if it fits, else the comment above, else broken like `ruff format`.

    `separate`: several sources are arguments of their own, not a list.
    """
    comment = f"  # {comment}" if comment else ""
    read = ", ".join(sources) if separate else _one_or_list(sources) if sources else ""
    applied = f"({read})" if sources else ""
    opening = f"    {head}({', '.join(arguments)})"
    if _fits(opening + applied + comment):
        return [opening + applied + comment]
    if _fits(opening + applied):
        return [f"    {comment.strip()}", opening + applied]
    broken_head = [f"    {head}(", *_inside(arguments), "    )"]
    if not sources:
        return broken_head
    if _fits(f"{opening}("):
        start = [opening]
    elif _fits(f"    ){applied}{comment}"):
        return [*broken_head[:-1], f"    ){applied}{comment}"]
    else:
        start = broken_head
    indented = f"        {read}"
    listed = _inside(sources) if separate else ["        [", *(f"            {source}," for source in sources), "        ]"]
    return [*start[:-1], f"{start[-1]}(", *([indented] if _fits(indented) else listed), f"    ){comment}"]


def _inside(arguments: Sequence[str]) -> list[str]:
    """The arguments of a broken call: together on one line, or one a line."""
    together = f"        {', '.join(arguments)}"
    return [together] if _fits(together) else [f"        {argument}," for argument in arguments]


def _fits(line: str) -> bool:
    return len(line) <= _WIDTH


def _variables(names: Iterable[str], taken: set[str]) -> dict[str, str]:
    """A Python identifier for each name: ASCII, no keyword, no builtin, no two alike."""
    variables: dict[str, str] = {}
    used = {*_TAKEN, *taken}
    for name in names:
        stem = re.sub(r"[^0-9A-Za-z]+", "_", name)[:60].strip("_") or "node"
        stem = f"n{stem}" if stem[0].isdigit() else stem
        variable, k = stem, 1
        while variable in used:
            variable, k = f"{stem}_{k}", k + 1
        variables[name] = variable
        used.add(variable)
    return variables


def _one_or_list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _literal(value: Any, node: Node) -> str:
    """Python source of a plain value; sequences as tuples, strings as ASCII in double quotes."""
    if isinstance(value, str):
        text = value.encode("unicode_escape").decode("ascii")
        quote = "'" if text.count('"') > text.count("'") else '"'
        return quote + text.replace(quote, f"\\{quote}") + quote
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, list | tuple):
        items = [_literal(item, node) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(k, node)}: {_literal(v, node)}" for k, v in value.items()) + "}"
    raise SpaceError(
        f"{value!r} of type {type(value).__name__} cannot be written as source",
        path=node.path,
        received=value,
        expected="None, bool, int, float, str, or lists and dicts of them",
        hint="Use plain values in the operation's `keras` rule",
    )
