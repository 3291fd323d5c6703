"""Judging by a table: what an architecture scores is looked up in a csv file, so that a thousand searches take seconds.

Use it to compare controllers on published benchmarks that trained every architecture once and for all (NAS-Bench-201, Dong &
Yang 2020; NAS-Bench-Macro, Su et al. 2021; latencies of HELP, Lee et al. 2021), or to search again over what your own study
measured. No table comes with this package; point at your own file:

    Tabular("nasbench201.csv.gz")                                    # every column of numbers is a metric
    Tabular("nasbench201.csv.gz", {"val_acc": "val_c10"})            # metric <- column
    Tabular("nasbench201.csv.gz", {"val_acc": "val_c10", "latency_ms": "pixel3"}, join="latency.csv.gz", on="idx")
    Tabular("mine.csv", key={"stage1_width": "enc0.width", "stage1_kernel": "enc0.kernel"})

Each row names its architecture. How, is said by `key`, or seen from the file where it has one of the columns of `COLUMNS`.
Rows that name the same architecture are repeats: the metric is their mean, and its spread is reported.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import io
import json
import string
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from nas.errors import DataError, Infeasible
from nas.study.interfaces import Evaluator, Fidelity
from nas.study.trial import Measurement

if TYPE_CHECKING:
    from nas.language.architecture import Architecture

Key: TypeAlias = "str | Mapping[str, str] | Callable[[Architecture], str]"

CELLS_OF_NASBENCH201 = "|{edge01}~0|+|{edge02}~0|{edge12}~1|+|{edge03}~0|{edge13}~1|{edge23}~2|"
"""The benchmark's name of a cell of `search_spaces.nasbench201`, as a template over its decisions."""

COLUMNS = ("fingerprint", "decisions", "index", "arch")
"""Columns that name architectures where `key` does not say how; what stands in `arch` shows how it is to be read."""

ENDINGS = {"_ms": "ms", "_bytes": "bytes", "seconds": "s", "flops": "FLOPs", "macs": "MACs", "params": "parameters"}
"""The unit of a metric, by the end of its name."""


class Tabular(Evaluator):
    """Looks architectures up in a table.

    Args:
        path: a csv file with a header, plain or gzipped (`.gz`).
        metrics: metric -> column, or the columns to take under their own names; None: every column of numbers.
        key: how a row names its architecture:
            "fingerprint", "decisions" (as JSON), "index" (in the space) or "options" (the number of the option that each
            decision takes, one digit each: `22212220`);
            a template over decisions, such as `"{depth}x{width}"`;
            column -> decision, for a table with a column for each decision (empty where a decision is inactive);
            a function from an architecture to the text in the column.
            None: seen from the file.
        column: which column `key` is about; None: the one of `COLUMNS` that it has.
        join: a second file, whose row with the same `on` adds its columns.
        on: the column that both have.
        missing: whether an architecture without a row or a number stops the study ("error": the table should be complete) or
            is recorded as "infeasible".

    Raises:
        DataError: no such file or column, a cell that is no number, rows that cannot be joined, or no way to read names.

    Attributes:
        columns: metric -> column.
    """

    name = "tabular"

    def __init__(
        self,
        path: str | Path,
        metrics: Mapping[str, str] | Sequence[str] | None = None,
        *,
        key: Key | None = None,
        column: str | None = None,
        join: str | Path | None = None,
        on: str = "idx",
        missing: Literal["error", "infeasible"] = "error",
    ):
        if missing not in ("error", "infeasible"):
            raise DataError(f"{missing!r}", path="Tabular(missing)", received=missing, expected="error or infeasible")
        self.path, self.missing = Path(path), missing
        table, digest = _read(self.path)
        if join is not None:
            other, joined_digest = _read(Path(join))
            table, digest = _join(table, other, on, self.path, Path(join)), digest + joined_digest
        self._digest = digest
        if not isinstance(key, Mapping):
            column = _key_column(table, column, self.path)
            key = key if key is not None else _recognised(column, table[column][0], self.path)
        self._key, self._column = key, column
        self.columns = _metric_columns(table, metrics, {column, on, *(key if isinstance(key, Mapping) else ())}, self.path)
        self.metrics = tuple(self.columns)
        self._units = {metric: _unit(metric) for metric in self.metrics}
        self._rows: dict[Any, list[int]] = {}
        for row, name in enumerate(self._names(table)):
            self._rows.setdefault(name, []).append(row)
        self._numbers = {metric: _numbers(table, name, self.path) for metric, name in self.columns.items()}

    def __len__(self) -> int:
        """How many architectures it knows."""
        return len(self._rows)

    def describe(self) -> dict[str, Any]:
        """The file's name and content, and what is taken from it."""
        key = "a function" if callable(self._key) else self._key
        return {"name": self.name, "file": self.path.name, "digest": self._digest, "metrics": self.columns, "key": key}

    def values(self, metric: str) -> np.ndarray:
        """A metric of all rows, in the order of the file; NaN where it has none."""
        return self._numbers[metric].copy()

    def evaluate(self, architecture: Architecture, fidelity: Fidelity = Fidelity(), *, seed: int = 0) -> dict[str, Measurement]:
        """The row of an architecture. It depends on neither fidelity nor seed.

        Raises:
            DataError: the table does not have the architecture, or a number is missing.
            Infeasible: the same, with `missing="infeasible"`.
        """
        name = self._name(architecture)
        rows = self._rows.get(name)
        if rows is None:
            raise self._absent(f"no row for {_shown(name)}", name, len(self))
        found = {metric: self._numbers[metric][rows] for metric in self.metrics}
        for metric, numbers in found.items():
            if np.isnan(numbers).all():
                raise self._absent(f"no {self.columns[metric]} for {_shown(name)}", name, len(self))
        return {metric: self._measurement(metric, numbers[~np.isnan(numbers)]) for metric, numbers in found.items()}

    def _measurement(self, metric: str, numbers: np.ndarray) -> Measurement:
        device, runtime = self.path.name, f"column {self.columns[metric]}"
        spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
        return Measurement(float(numbers.mean()), self._units[metric], device, runtime, spread, len(numbers))

    def _absent(self, problem: str, name: Any, rows: int) -> Exception:
        if self.missing == "infeasible":
            return Infeasible(f"{self.path.name}: {problem}")
        hint = (
            f"It has {rows:,} architectures, such as {_shown(next(iter(self._rows)))}; missing='infeasible' goes on without it"
        )
        return DataError(problem, path=self.path.name, received=name, hint=hint)

    # -- names of architectures ------------------------------------------------------------------------------------------

    def _names(self, table: Mapping[str, list[str]]) -> Sequence[Any]:
        """What `_name` gives, read from the rows."""
        if isinstance(self._key, Mapping):
            columns = [_column(table, column, self.path) for column in self._key]
            return [tuple(map(_plain, cells)) for cells in zip(*columns, strict=True)]
        texts = _column(table, str(self._column), self.path)
        if self._key == "decisions":
            return [_canonical_text(text, row, self.path) for row, text in enumerate(texts)]
        return [text.strip() for text in texts]

    def _name(self, architecture: Architecture) -> Any:
        key = self._key
        if callable(key):
            return key(architecture)
        if isinstance(key, Mapping):
            return tuple(_plain(architecture.decisions.get(decision, "")) for decision in key.values())
        if key == "fingerprint":
            return architecture.fingerprint
        if key == "index":
            return str(architecture.index)
        if key == "options":
            return "".join(str(int(option)) for option in architecture.vector)
        if key == "decisions":
            return _canonical(architecture.decisions)
        try:
            return key.format_map(architecture.decisions)
        except (KeyError, IndexError, ValueError):
            known = ", ".join(architecture.decisions)
            wanted = ", ".join(name for _, name, _, _ in string.Formatter().parse(key) if name is not None)
            raise DataError(
                f"the key reads {wanted}, an architecture of {architecture.space.name} decides {known}",
                path=self.path.name,
                received=key,
                hint="Give the table's own space, or key= for this one",
            ) from None


def _read(path: Path) -> tuple[dict[str, list[str]], str]:
    """Column -> cells, and a digest of the content."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise DataError(reason, path=str(path), expected="a csv file with a header, plain or .gz") from None
    header, *rows = [row for row in csv.reader(io.StringIO(text)) if row] or [[]]
    if not rows or len(set(header)) < len(header):
        problem = "two columns with one name" if rows else "no rows"
        raise DataError(problem, path=str(path), expected="a header with a name for each column, and rows")
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            expected = f"{len(header)}, as the header has"
            raise DataError(f"{len(row)} cells", path=f"{path}, row {number}", received=row, expected=expected)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return {name: list(cells) for name, cells in zip(header, zip(*rows, strict=True), strict=True)}, digest


def _join(
    table: dict[str, list[str]], other: dict[str, list[str]], on: str, path: Path, other_path: Path
) -> dict[str, list[str]]:
    """The rows of `table`, each with the cells of the row of `other` that has the same `on`; empty where there is none."""
    here = _column(table, on, path)
    place = {name: row for row, name in enumerate(_column(other, on, other_path))}
    twice = [name for name in other if name in table and name != on]
    if twice:
        raise DataError(
            f"both files have {', '.join(twice)}", path=str(other_path), received=twice, expected=f"only {on} in both"
        )
    if not any(name in place for name in here):
        raise DataError(f"no {on} of {path.name} is in it", path=str(other_path), expected="rows to join")
    rows = [place.get(name) for name in here]
    return table | {name: ["" if row is None else cells[row] for row in rows] for name, cells in other.items() if name != on}


def _column(table: Mapping[str, list[str]], name: str, path: Path) -> list[str]:
    if name not in table:
        close = difflib.get_close_matches(name, table, n=1)
        hint = f"Perhaps {close[0]} is meant" if close else ""
        raise DataError(f"no column {name!r}", path=path.name, received=name, expected=f"one of {', '.join(table)}", hint=hint)
    return table[name]


def _key_column(table: Mapping[str, list[str]], column: str | None, path: Path) -> str:
    if column is not None:
        _column(table, column, path)
        return column
    for known in COLUMNS:
        if known in table:
            return known
    raise DataError(
        "no column names the architectures",
        path=path.name,
        received=list(table),
        expected=f"one of {', '.join(COLUMNS)}",
        hint="column= says which it is, key= how it is to be read; or give key={column: decision, ...}",
    )


def _recognised(column: str, first: str, path: Path) -> str:
    """How the names in a column are to be read, by its name or by the first of them."""
    first = first.strip()
    if column in ("fingerprint", "decisions", "index"):
        return column
    if first.startswith("{"):
        return "decisions"
    if first.startswith("|"):
        return CELLS_OF_NASBENCH201
    if first.isdecimal():
        return "options"
    raise DataError(
        f"{first!r} in column {column!r} can be read in no way known here",
        path=path.name,
        received=first,
        expected="JSON of decisions, a cell of NAS-Bench-201, or a digit for each decision",
        hint="key= says how: a template over decisions, or a function from an architecture to its name",
    )


def _metric_columns(
    table: Mapping[str, list[str]], metrics: Mapping[str, str] | Sequence[str] | None, names: set[Any], path: Path
) -> dict[str, str]:
    if metrics is None:
        found = {name: name for name, cells in table.items() if name not in names and all(map(_is_number, cells[:50]))}
    else:
        found = dict(metrics) if isinstance(metrics, Mapping) else {str(name): str(name) for name in metrics}
    for column in found.values():
        _column(table, column, path)
    if not found:
        raise DataError("no metrics", path=path.name, received=metrics, expected="at least one column of numbers")
    return found


def _numbers(table: Mapping[str, list[str]], name: str, path: Path) -> np.ndarray:
    try:
        return np.array([float(cell) if cell.strip() else np.nan for cell in table[name]])
    except ValueError:
        row = next(i for i, cell in enumerate(table[name]) if not _is_number(cell))
        cell = table[name][row]
        raise DataError(f"{cell!r} is no number", path=f"{path.name}, row {row + 2}, {name}", received=cell) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def _plain(value: Any) -> str:
    """One text for 6, 6.0 and "6"."""
    text = str(value).strip()
    return f"{float(text):.12g}" if text and _is_number(text) else text


def _canonical(decisions: Mapping[str, Any]) -> str:
    return json.dumps(decisions, sort_keys=True)


def _canonical_text(text: str, row: int, path: Path) -> str:
    try:
        return _canonical(json.loads(text))
    except ValueError:
        raise DataError(f"{text!r} is no JSON", path=f"{path.name}, row {row + 2}", received=text) from None


def _shown(name: Any) -> str:
    return " ".join(name) if isinstance(name, tuple) else str(name)


def _unit(metric: str) -> str:
    return next((unit for ending, unit in ENDINGS.items() if metric.endswith(ending)), "")
