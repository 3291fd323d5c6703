"""Search spaces as Vertex AI takes them, both ways: `searchSpaceSpec` is a PyGlove template (`pg.dna_spec`) as JSON text.

    text = encode_search_space(colorizer)       # for a NasJob
    space = decode_search_space(text)           # a `nas.SearchSpace` again: size, sample, controllers, nothing to build
    space.sample(seed=0).to_vertex()            # {"enc0": "1/3 (2)", ...}, what `--nas_params_str` carries

The text comes from outside. `pg.from_json` would import any module that it names and unpickle what it holds, so the template is
read here field by field, and a space of plain PyGlove choices is made of it. What the candidates were is not in a template: the
space's values are their texts, and only the trainer, which has the space's code, can build one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nas.errors import SpaceError

if TYPE_CHECKING:
    from nas.language.space import SearchSpace

ROOT = "searchSpaceSpec"
KINDS: Mapping[str, frozenset[str]] = {
    "Template": frozenset({"elements", "index"}),
    "Choices": frozenset({"num_choices", "candidates", "literal_values", "distinct", "sorted", "subchoice_index", "name"}),
    "Float": frozenset({"min_value", "max_value", "scale", "name"}),
}
"""Kind of node -> its fields, beside those that all have."""

EVERYWHERE = frozenset({"_type", "location", "hints"})
SPACE_NAMES = ("Template", "Space")  # the key that PyGlove writes, and the class
SCALES = (None, "linear", "log", "rlog")


def encode_search_space(space: SearchSpace) -> str:
    """The template of a space as JSON text.

    A template cannot say which decisions may stand together (`nas.require`): Vertex AI proposes points that break a rule too,
    and `nas trial` ends them as infeasible.

    Raises:
        SpaceError: the space has limits, which a template cannot say either.
    """
    import pyglove as pg

    if space.limits:
        hint = "Search the whole space, and judge by a reward (nas.reward) or let trials over the limit be infeasible"
        raise SpaceError("Vertex AI knows no limits on costs", path=space.name, received=space.limits, hint=hint)
    return pg.dna_spec(space.hyper).to_json_str(hide_default_values=True)


def decode_search_space(given: str | Mapping[str, Any], name: str = "space") -> SearchSpace:
    """The space that a template describes.

    Args:
        given: JSON text, or what JSON gave.
        name: of the space, for people.

    Raises:
        SpaceError: it is no template, or has nothing to decide; `path` says where.
    """
    import pyglove as pg

    from nas.language.space import SearchSpace

    try:
        node = json.loads(given) if isinstance(given, str) else given
        spec, hyper = _read_space(node, ROOT)
    except RecursionError:
        raise SpaceError("its choices are nested too deeply", path=ROOT, expected="a few hundred levels at most") from None
    except json.JSONDecodeError as error:
        raise SpaceError(f"it is no JSON ({error})", path=ROOT, expected="a PyGlove template") from None
    if not spec.elements:
        raise SpaceError("it has nothing to decide", path=ROOT, expected="at least one choice")
    return SearchSpace(name, pg.List(hyper), spec=spec)


def _read_space(node: Any, path: str) -> tuple[Any, list[Any]]:
    """A template: the PyGlove spec, and the hyper values of its decisions in order."""
    import pyglove as pg

    _expect_kind(node, path, "Template")
    elements = _list(node, "elements", path, default=())
    read = [_read_decision(element, f"{path}.elements[{i}]") for i, element in enumerate(elements)]
    spec = pg.geno.Space(elements=[spec for spec, _ in read], index=_whole(node, "index", path, default=None))
    return spec, [hyper for _, hyper in read]


def _read_decision(node: Any, path: str) -> tuple[Any, Any]:
    kind = _expect_kind(node, path, "Choices", "Float")
    return _read_choices(node, path) if kind == "Choices" else _read_float(node, path)


def _read_choices(node: Mapping[str, Any], path: str) -> tuple[Any, Any]:
    import pyglove as pg

    candidates = _list(node, "candidates", path)
    count, total = _whole(node, "num_choices", path, default=1), len(candidates)
    distinct, ordered = _flag(node, "distinct", path, True), _flag(node, "sorted", path, False)
    if not candidates or not 1 <= count <= (total if distinct else max(count, 1)):
        problem = f"{count} of {total} candidates"
        raise SpaceError(problem, path=path, received=count, expected="at least one, and no more than there are")
    literals = _list(node, "literal_values", path, default=())
    plain = all(isinstance(literal, str | int | float) and literal == literal for literal in literals)
    if literals and (len(literals) != total or not plain):
        raise SpaceError("they do not fit", path=f"{path}.literal_values", received=literals, expected=f"{total} plain values")
    read = [_read_space(candidate, f"{path}.candidates[{i}]") for i, candidate in enumerate(candidates)]
    for i, (inner, _) in enumerate(read):
        inner.rebind(index=i, raise_on_no_change=False)
    spec = pg.geno.Choices(
        num_choices=count,
        candidates=[inner for inner, _ in read],
        literal_values=list(literals),
        distinct=distinct,
        sorted=ordered,
        **_names(node, path),
    )
    texts = [f"{i}/{total} ({literals[i]})" if literals else f"{i}/{total}" for i in range(total)]
    options = [pg.List([text, *inner]) if inner else text for text, (_, inner) in zip(texts, read, strict=True)]
    hyper = pg.oneof(options) if count == 1 else pg.manyof(count, options, distinct=distinct, sorted=ordered)
    return spec, hyper


def _read_float(node: Mapping[str, Any], path: str) -> tuple[Any, Any]:
    import pyglove as pg

    low, high = _number(node, "min_value", path), _number(node, "max_value", path)
    scale = node.get("scale")
    if scale not in SCALES:
        raise SpaceError(f"no scale {scale!r}", path=f"{path}.scale", received=scale, expected="linear, log or rlog")
    if low > high or (scale in ("log", "rlog") and low <= 0):
        expected = "min_value up to max_value, above 0 on a log scale"
        raise SpaceError(f"a range from {low} to {high}", path=path, received=(low, high), expected=expected)
    spec = pg.geno.Float(min_value=low, max_value=high, scale=scale, **_names(node, path))
    return spec, pg.floatv(low, high, scale=scale)


def _names(node: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Where a decision stands, and what it is called."""
    import pyglove as pg

    location, name = node.get("location", ""), node.get("name")
    if not isinstance(location, str) or not isinstance(name, str | None):
        raise SpaceError("location and name are texts", path=path, received=(location, name), expected="texts")
    try:
        return {"location": pg.KeyPath.parse(location), "name": name}
    except (ValueError, KeyError) as error:
        raise SpaceError(f"{location!r} is no location ({error})", path=f"{path}.location", received=location) from None


def _expect_kind(node: Any, path: str, *kinds: str) -> str:
    """Which kind of node it is, known to have no other fields than that kind has."""
    expected = " or ".join(kinds)
    if not isinstance(node, Mapping):
        raise SpaceError(f"a {type(node).__name__}", path=path, received=node, expected=f"an object of type {expected}")
    written = node.get("_type")
    kind = written.rpartition(".")[2] if isinstance(written, str) else ""
    kind = "Template" if kind in SPACE_NAMES else kind
    if kind not in kinds:
        hint = "A custom decision point decides by its own code: write it as a choice" if "Custom" in kind else ""
        raise SpaceError(f"of type {written!r}", path=path, received=written, expected=expected, hint=hint)
    for field in node:
        if field not in KINDS[kind] | EVERYWHERE:
            fields = ", ".join(sorted(KINDS[kind] | EVERYWHERE))
            raise SpaceError("no such field", path=f"{path}.{field}", received=node[field], expected=fields)
    return kind


def _list(node: Mapping[str, Any], field: str, path: str, default: Any = None) -> Any:
    found = node.get(field, default)
    if not isinstance(found, list | tuple):
        raise SpaceError("it is no list" if field in node else "it is missing", path=f"{path}.{field}", expected="a list")
    return found


def _whole(node: Mapping[str, Any], field: str, path: str, default: int | None) -> Any:
    found = node.get(field, default)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 0):
        raise SpaceError(f"{found!r} does not fit", path=f"{path}.{field}", received=found, expected="a whole number")
    return default if found is None else found


def _flag(node: Mapping[str, Any], field: str, path: str, default: bool) -> bool:
    found = node.get(field, default)
    if not isinstance(found, bool):
        raise SpaceError(f"{found!r} does not fit", path=f"{path}.{field}", received=found, expected="true or false")
    return found


def _number(node: Mapping[str, Any], field: str, path: str) -> float:
    found = node.get(field)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise SpaceError(f"{found!r} does not fit", path=f"{path}.{field}", received=found, expected="a finite number")
    return float(found)
