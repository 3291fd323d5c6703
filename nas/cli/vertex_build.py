"""`nas vertex build`: the container of trials, by docker here or by Cloud Build there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from nas.cli.common import console
from nas.cli.vertex_options import DryRunOption
from nas.errors import UserError

NEEDED = ("Dockerfile", "pyproject.toml", "README.md", "LICENSE", "requirements.lock", "requirements-dev.lock")
PACKAGES = ("nas", "search_spaces", "controllers", "evaluators", "trainer")
IMAGE = r"([a-z0-9.-]+(:\d+)?/)?[a-z0-9][\w./-]*(:[\w.-]+)?"


def register(app: typer.Typer) -> None:
    app.command()(build)


def build(
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="Such as europe-docker.pkg.dev/PROJECT/REPOSITORY/trainer:1.")],
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="PATH", help="Your own script, space or folder, into the working directory. Repeatable."),
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="With CUDA for NVIDIA GPUs (several GB).")] = False,
    push: Annotated[bool, typer.Option("--push", help="Then push the image to its registry.")] = False,
    cloud_build: Annotated[
        bool, typer.Option("--cloud-build", help="Build and push with Cloud Build; needs --project.")
    ] = False,
    project: Annotated[str, typer.Option("--project", help="The project that pays for Cloud Build. There is no default.")] = "",
    context: Annotated[
        str, typer.Option("--context", metavar="DIR", help="Keep what is built from here, for another machine.")
    ] = "",
    source: Annotated[str, typer.Option("--source", metavar="DIR", help="A checkout of this repository.")] = "",
    dry_run: DryRunOption = False,
) -> None:
    """Builds the container that trials run, with the locked versions of everything and your own files.

    Prints each command before it runs. Where docker or gcloud is missing it says so; --context DIR --dry-run then leaves a
    folder and the commands for a machine that has it.

    Example: nas vertex build europe-docker.pkg.dev/my-project/nas/trainer:1 --add task.py --add my_space.py --push
    """
    _check(image, cloud_build, project)
    root = _checkout(source)
    extra = [_existing(path) for path in add or ()]
    with tempfile.TemporaryDirectory(prefix="nas-build-") as temporary:
        where = _empty(context) if context else Path(temporary)
        if context or not dry_run:
            _stage(root, extra, gpu, where)
        commands = _commands(image, context or ("CONTEXT" if dry_run else temporary), push, cloud_build, project)
        if not dry_run:
            _check_tool(commands)
        for command in commands:
            console().print(shlex.join(command), soft_wrap=True, markup=False)
            if not dry_run and subprocess.run(command).returncode:
                raise typer.Exit(1)
    if not (dry_run or push or cloud_build):
        console().print(f"Built here. To push it: docker push {image}", soft_wrap=True)


def _commands(image: str, context: str, push: bool, cloud_build: bool, project: str) -> list[list[str]]:
    if cloud_build:
        return [["gcloud", "builds", "submit", context, f"--project={project}", f"--tag={image}"]]
    made = [["docker", "build", "--tag", image, context]]
    return [*made, ["docker", "push", image]] if push else made


def _stage(root: Path, extra: list[Path], gpu: bool, context: Path) -> None:
    """A build context of what the image needs and nothing else of the checkout."""
    for name in NEEDED:
        shutil.copy(root / name, context / name)
    if gpu:
        dockerfile = context / "Dockerfile"
        dockerfile.write_text(dockerfile.read_text().replace('ARG MORE=""', 'ARG MORE="tensorflow[and-cuda]"'))
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    for name in PACKAGES:
        shutil.copytree(root / name, context / name, ignore=ignore)
    (context / "extra").mkdir()
    for path in extra:
        target = context / "extra" / path.name
        if path.is_dir():
            shutil.copytree(path, target, ignore=ignore)
        else:
            shutil.copy(path, target)


def _check(image: str, cloud_build: bool, project: str) -> None:
    if not re.fullmatch(IMAGE, image):
        expected = "[REGISTRY/]NAME[:TAG] in lowercase"
        raise UserError(f"{image!r} is no image", path="IMAGE", received=image, expected=expected)
    if cloud_build and not project:
        raise UserError(
            "Cloud Build bills a project", path="--project", expected="a project", hint="Name it: there is no default"
        )


def _checkout(source: str) -> Path:
    root = Path(source) if source else Path(__file__).resolve().parents[2]
    missing = [name for name in (*NEEDED, *PACKAGES) if not (root / name).exists()]
    if missing:
        problem, hint = f"it has no {missing[0]}", "Clone the repository and name it with --source"
        raise UserError(problem, path=str(root), expected="a checkout of this repository", hint=hint)
    return root


def _empty(directory: str) -> Path:
    found = Path(directory)
    if found.exists() and (not found.is_dir() or any(found.iterdir())):
        raise UserError("it is not empty", path=directory, received=directory, expected="a new folder")
    found.mkdir(parents=True, exist_ok=True)
    return found


def _existing(path: str) -> Path:
    found = Path(path).resolve()
    if not found.exists():
        raise UserError("no such file", path=path, received=path, expected="a file or a folder")
    return found


def _check_tool(commands: list[list[str]]) -> None:
    """Says where the tool is missing, with what to run where it is not."""
    tool = commands[0][0]
    elsewhere = "with --context DIR --dry-run a folder and the commands are made for a machine that has it"
    if shutil.which(tool) is None:
        raise UserError(f"{tool} is not installed here", path="nas vertex build", hint=f"Install it; {elsewhere}")
    if tool == "docker":
        asked = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
        if asked.returncode:
            reason = (asked.stderr.strip().splitlines() or ["it gives no reason"])[-1]
            raise UserError(f"docker does not run here ({reason})", path="nas vertex build", hint=f"Start it; {elsewhere}")
