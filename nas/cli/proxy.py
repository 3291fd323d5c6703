"""`nas proxy`: what stands in for full training, and how far to trust it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nas.cli.common import (
    JsonOption,
    LossOption,
    SeedOption,
    SpaceArgument,
    TaskOption,
    console,
    find_space,
    print_json,
    say_interrupted,
)
from nas.cli.spaces import BaselineOption, IndexOption, chosen_architectures
from nas.errors import UserError

if TYPE_CHECKING:
    from evaluators.proxy_design import Design, Proxy
    from nas.cli.proxy_judge import StudyJudge
    from trainer.data import Dataset

HELP = """What stands in for full training, and how far to trust it.

A search can train each candidate only a little. `nas proxy design` finds out how little is enough on your task, by training
some architectures fully; `nas search --proxy` then uses what it chose. `nas proxy zero-cost` scores networks that are not
trained at all."""


def register(app: typer.Typer) -> None:
    proxy = typer.Typer(name="proxy", help=HELP, no_args_is_help=True, rich_markup_mode=None)
    proxy.command()(design)
    proxy.command("zero-cost")(zero_cost)
    app.add_typer(proxy)


def design(
    space: SpaceArgument,
    data: Annotated[str, typer.Option("--data", metavar="NAME|DIR", help="As for nas search.")] = "photos",
    task: TaskOption = "auto",
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Where everything is kept; run again to continue.")
    ] = "runs/proxy",
    references: Annotated[int, typer.Option("--references", min=5, help="Architectures trained fully, at most.")] = 24,
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Rounds in which their number grows; it stops when a proxy passes.")
    ] = 2,
    epochs: Annotated[int, typer.Option("--epochs", min=2, help="Epochs of full training.")] = 16,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 16,
    learning_rate: Annotated[float, typer.Option("--learning-rate")] = 1e-3,
    loss: LossOption = "auto",
    scores: Annotated[
        str, typer.Option("--scores", help="Zero-cost proxies among the candidates, comma-separated; '' for none.")
    ] = "flops,naswot,synflow",
    at_least: Annotated[
        float, typer.Option("--at-least", help="What the lower bound of Kendall's tau must reach for a proxy to pass.")
    ] = 0.3,
    alpha: Annotated[float, typer.Option("--alpha", help="Chance of accepting a worse one, over all looks together.")] = 0.05,
    repeats: Annotated[int, typer.Option("--repeats", min=0, help="References trained twice, to see the seed's part.")] = 3,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Trainings at a time.")] = 2,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Finds the cheapest proxy task that provably orders architectures as full training does.

    Reference architectures, spread over FLOPs and a guess of their quality, are trained fully; cheaper trainings (fewer
    epochs, less data, smaller images) and zero-cost scores judge them too. Kendall's tau of each has an interval that pays for
    looking often; the cheapest whose lower end reaches --at-least is written to DIR/proxy.json. Every training is kept as it
    ends. Trainings are judged as `nas search` judges them: by accuracy or mean IoU where targets are classes, else by the loss.

    Example: nas proxy design colorizer --data photos --epochs 16 --out runs/proxy

    then: nas search colorizer --data photos --proxy runs/proxy/proxy.json
    """
    from evaluators.proxy_design import Proxy, Rules
    from evaluators.proxy_design import design as run_design
    from evaluators.proxy_design.picture import draw_design
    from nas.cli.proxy_judge import StudyJudge

    counts = sorted({max(5, round(references * (k + 1) / rounds)) for k in range(rounds)})
    rules = Rules(at_least, alpha, tuple(counts), min(repeats, counts[0]))
    found = find_space(space)
    loaded = _data_for(found, data, task)
    objective = loaded.task.objective(loss)
    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "loss": loss, "schedule": "cosine"}
    full = Proxy("training", settings, objective.metric, objective.goal)
    candidates = _candidates(found, full, [name for name in scores.split(",") if name])
    directory = Path(out)
    try:
        with StudyJudge(found, loaded, directory / "measured", workers, seed, console(to_stderr=True)) as judge:
            architectures = _references(found, counts[-1], judge, seed)
            result = run_design(architectures, full, candidates, judge, rules)
    except KeyboardInterrupt:
        raise say_interrupted("the same `nas proxy design` command") from None
    facts = {"space": found.name, "data": data, "task": loaded.task.name, "seed": seed, **result.to_json()}
    (directory / "proxy.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    draw_design(result, directory / "proxy.png")
    if as_json:
        print_json(facts)
        return
    out_console = console()
    out_console.print(_table(result))
    out_console.print(f"\n{result.message}\n{directory / 'proxy.json'}\n{directory / 'proxy.png'}", soft_wrap=True)


def zero_cost(
    space: SpaceArgument,
    index: IndexOption = None,
    baseline: BaselineOption = None,
    sample: Annotated[int | None, typer.Option("--sample", min=1, help="This many random architectures.")] = None,
    names: Annotated[str, typer.Option("--names", help="Which scores, comma-separated; all by default.")] = "",
    data: Annotated[
        str | None, typer.Option("--data", metavar="NAME|DIR", help="Examples to look at; random ones by default.")
    ] = None,
    task: TaskOption = "auto",
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="How many examples.")] = 32,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> None:
    """Scores untrained networks by params, FLOPs, grad_norm, snip, synflow, naswot, jacob_cov and zen; more is believed to be
    better.

    Example: nas proxy zero-cost colorizer --sample 5 --data photos
    """
    from evaluators.zero_cost import COUNTED, SCORES, ZeroCost
    from nas.errors import Infeasible
    from trainer.data import load_data

    wanted = names.split(",") if names else [*COUNTED, *SCORES]
    examples = load_data(data, task) if data is not None else None
    evaluator = ZeroCost(wanted, examples, batch_size=batch_size, seed=seed)
    rows: list[dict[str, Any]] = []
    with console(to_stderr=True).status("scoring"):
        for architecture in chosen_architectures(find_space(space), index, baseline, sample, seed):
            row: dict[str, Any] = {"index": architecture.index, "fingerprint": architecture.fingerprint}
            try:
                row["scores"] = {metric: m.value for metric, m in evaluator.evaluate(architecture).items()}
            except Infeasible as refusal:
                row["refused"] = str(refusal)
            rows.append(row)
    if as_json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("architecture", *wanted, "seconds", box=None)
    for row in rows:
        shown = [f"{value:.4g}" for value in row["scores"].values()] if "scores" in row else [row["refused"]]
        table.add_row(row["fingerprint"][:12], *shown)
    console().print(table)


def _data_for(space: Any, data: str, task: str) -> Dataset:
    """The data set, which the space's networks can be trained on."""
    from trainer.data import load_data

    loaded = load_data(data, task)
    if not space.is_network or space.input_shape is None:
        raise UserError("its values are not networks", path=space.name, expected="a space of networks")
    loaded.check_fits(space.input_shape, space.output_shape)
    return loaded


def _candidates(space: Any, full: Proxy, scores: list[str]) -> list[Proxy]:
    """The usual ones, with smaller images where the space's networks take them."""
    from evaluators.proxy_design import usual_candidates
    from trainer.pipelines import scaled_size

    size = tuple(space.input_shape[:2])
    smaller = scaled_size(size, 0.5) if len(space.input_shape) == 3 else size
    resolutions = [0.5] if smaller != size and space.takes_size(smaller) else []
    return usual_candidates(full, resolutions, scores)


def _references(space: Any, n: int, judge: StudyJudge, seed: int) -> list[Any]:
    """`n` architectures of four times as many random ones, spread over FLOPs and a zero-cost guess of how good they are."""
    import numpy as np

    from evaluators.proxy_design import Proxy, choose_references

    pool = list({a.fingerprint: a for a in space.sample(seed, n=4 * n)}.values())
    guess = Proxy("zero_cost", {"names": ["synflow"]}, "synflow", "maximize")
    trials = judge(pool, guess, "guess", 0)
    guesses = [[np.log1p(a.cost().flops), trial.value("synflow")] for a, trial in zip(pool, trials, strict=True)]
    return [pool[row] for row in choose_references(np.array(guesses), n)]


def _table(result: Design) -> Any:
    from rich.table import Column, Table

    level = f"{1 - result.rules.alpha / result.looks:.2%}"
    columns = (Column("proxy", no_wrap=True), "tau", f"lower bound ({level} sure)", "seconds", "of full training", "verdict")
    table = Table(*columns, box=None)
    for finding in sorted(result.findings, key=lambda finding: finding.seconds):
        agreed, share = finding.agreement, finding.seconds / result.full_seconds
        name = f"[bold]{finding.proxy.name}[/bold]" if finding is result.chosen else finding.proxy.name
        table.add_row(name, f"{agreed.tau:.2f}", f"{agreed.low:.2f}", f"{finding.seconds:.1f}", f"{share:.0%}", finding.verdict)
    table.add_row(f"full: {result.full.name}", "", "", f"{result.full_seconds:.1f}", "100%", "")
    return table
