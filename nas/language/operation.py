"""An operation: one step of a network, in one class.

An operation is a typed PyGlove object, so each field accepts a value or a choice of values, checked where it is written.
A subclass states its fields and four rules (shape, cost, Keras call, and for composites how they are wired):

    class Scale(Operation):
        factor: float = 1.0

        def output_shape(self, x):
            return x

        def cost(self, inputs, output):
            return OpCost(flops=math.prod(output))

        def keras(self, inputs, output):
            return KerasCall("Rescaling", scale=self.factor)

Rules see concrete fields only: once decisions are made, an operation is assembled as a plain Python object that has the same
rules and the chosen fields (`concrete`). PyGlove objects take about 150 us to make and 3 us for each attribute, plain ones
0.3 us and 0.03 us: the difference between pricing ten architectures a second and thousands. Rules therefore must not call
`super()`. `nas.language.fields` names the usual types of fields. A file that declares fields with them cannot use
`from __future__ import annotations`: PyGlove reads value specs, not their text.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import json
import re
import types
from collections.abc import Sequence
from typing import Any

import pyglove as pg

from nas.errors import SpaceError
from nas.language.application import apply
from nas.language.fields import complaint, describe
from nas.language.wording import perhaps

Shape = tuple[int, ...]
"""Axes of one example, without the batch: `(height, width, channels)` for an image."""


@dataclasses.dataclass(frozen=True)
class OpCost:
    """What one operation costs for one example.

    Attributes:
        macs: multiply-adds of convolutions and matrix products.
        flops: floating-point operations; one multiply-add is two, biases, normalizations, activations and merges count too.
        params: weights, trainable and not.
    """

    macs: int = 0
    flops: int = 0
    params: int = 0


_SEPARATE = frozenset({"MultiHeadAttention", "GroupedQueryAttention"})  # stock layers whose `call` has several tensor arguments


class KerasCall:
    """A stock Keras layer by name, with its arguments: all that is needed to build it, write it as source, or hash it.

    `key` is canonical JSON; two calls with equal keys make layers that compute the same function family.
    """

    __slots__ = ("key", "kwargs", "layer")

    def __init__(self, layer: str, **kwargs: Any):
        self.layer = layer
        self.kwargs = kwargs
        self.key = json.dumps([layer, kwargs], sort_keys=True)

    @property
    def separate(self) -> bool:
        """Whether the layer takes its tensors one by one, `layer(query, value)`, and not in a list."""
        return self.layer in _SEPARATE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KerasCall) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"{self.layer}({', '.join(f'{k}={v!r}' for k, v in self.kwargs.items())})"


class Operation(pg.Object):
    """Base of every layer and block. `name` is for people: it appears in paths, pictures and Keras layer names."""

    name: str | None = None

    # Class constants carry no annotation: PyGlove takes annotated ones for fields.
    arity = (1, 1)  # type: tuple[int, int | None]  # fewest and most inputs; (1, None): any number
    commutative = False  # the order of inputs does not matter
    beside_zeros = "fills"  # what it does with zeros among its inputs: see nas.language.zeros.BesideZeros
    structural = False  # only applies its parts and never looks at shapes (chain, block, repetition)

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        fields = [str(key) for key in cls.__schema__.fields]
        pg.use_init_args([f for f in fields if f != "name"] + ["name"])(cls)  # `name` is inherited, yet comes last

    @classmethod
    def _begin_annotation_inference(cls) -> None:
        """Gives each field its own copy of a named type: PyGlove writes the field's default into it."""
        for key, annotation in inspect.get_annotations(cls).items():
            if isinstance(annotation, pg.typing.ValueSpec):
                cls.__annotations__[key] = copy.deepcopy(annotation)

    @pg.explicit_method_override
    def __init__(self, *args: Any, **fields: Any):
        try:
            pg.Object.__init__(self, *args, **fields)
        except (TypeError, ValueError, KeyError) as error:
            raise _field_error(type(self), error) from None

    # -- rules -----------------------------------------------------------------------------------------------------------

    def wire(self, net: Any, *inputs: Any) -> Any:
        """Adds this operation to `net` and returns its output edge. A composite applies its parts instead."""
        return net.emit(self, *inputs)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape rule. Raises `ShapeError` where the inputs do not fit."""
        raise SpaceError(f"{type(self).__name__} has no shape rule", hint="Define `output_shape` or `wire`")

    def cost(self, inputs: Sequence[Shape], output: Shape) -> OpCost:
        """The cost rule. An operation without one is refused: it never counts as zero."""
        raise SpaceError(f"{type(self).__name__} has no cost rule", hint="Define `cost(inputs, output) -> OpCost`")

    def keras(self, inputs: Sequence[Shape], output: Shape) -> KerasCall:
        """The stock Keras layer that computes this operation."""
        raise SpaceError(f"{type(self).__name__} has no Keras layer", hint="Define `keras(inputs, output) -> KerasCall`")

    # -- use in a space function ------------------------------------------------------------------------------------------

    def __call__(self, *tensors: Any) -> Any:
        """Applies the operation to traced tensors inside a space function; returns the output tensor."""
        return apply(self, tensors, self.name)

    @classmethod
    def concrete(cls, **fields: Any) -> Any:
        """A plain object with this operation's rules and the given, decided fields."""
        return _plain_class(cls)(fields)  # type: ignore[arg-type]  # classes are hashable, whatever PyGlove's __hash__


def _field_error(cls: type[Operation], error: Exception) -> SpaceError:
    """PyGlove's complaint about a field, in the user's terms."""
    problem, path = complaint(error)
    field = cls.__schema__.get_field(re.split(r"[.\[]", path)[0])
    if field is None:
        return SpaceError(problem, path=cls.__name__, hint=f"Fields: {', '.join(cls.init_arg_list)}")
    options = field.value.values if isinstance(field.value, pg.typing.Enum) else ()
    hint = perhaps(problem.split("'")[1] if "'" in problem else None, options)
    if problem.startswith("a Tensor"):
        hint = f"First the fields, then the tensors: {cls.__name__}(...)(x)"
    return SpaceError(problem, path=f"{cls.__name__}.{path}", expected=describe(field.value), hint=hint)


@functools.cache
def _plain_class(cls: type[Operation]) -> type:
    """A class without PyGlove behind it that carries the rules of `cls`."""
    fields = {str(key) for key in cls.__schema__.fields}
    rules: dict[str, Any] = {}
    for base in reversed(cls.__mro__[: cls.__mro__.index(Operation) + 1]):
        for key, value in vars(base).items():
            is_rule = isinstance(value, types.FunctionType | property | staticmethod)
            is_constant = isinstance(value, bool | int | str | tuple)
            if not key.startswith("__") and key not in fields and (is_rule or is_constant):
                rules[key] = value
    defaults = {str(f.key): f.default_value for f in cls.__schema__.fields.values() if f.default_value is not pg.MISSING_VALUE}

    def init(self: Any, given: dict[str, Any]) -> None:
        self.__dict__.update(defaults)
        self.__dict__.update(given)

    def show(self: Any) -> str:
        chosen = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if k in fields and v != defaults.get(k))
        return f"{cls.__name__}({chosen})"

    return type(cls.__name__, (), rules | {"__init__": init, "__repr__": show, "operation": cls})
