"""`nas vertex`: the same work on Vertex AI's machines, or on a local server that answers as Vertex AI does."""

from __future__ import annotations

import typer

HELP = """Architecture search and tuning on Vertex AI: send a job, watch it, read its trials back.

Nothing is sent without --project and --region, and --dry-run prints what would be sent. What was sent is kept in a directory,
so that every later command needs only that. --endpoint http://127.0.0.1:PORT rehearses it all on this machine.

A search:  nas vertex search colorizer --image IMAGE --staging gs://BUCKET/runs --project P --region R --out runs/cloud
then:      nas vertex watch runs/cloud     nas vertex top runs/cloud     nas vertex train runs/cloud --trials 3,7"""


def register(app: typer.Typer) -> None:
    from nas.cli import vertex_build, vertex_jobs, vertex_local, vertex_send, vertex_study

    vertex = typer.Typer(name="vertex", help=HELP, no_args_is_help=True, rich_markup_mode=None)
    for module in (vertex_send, vertex_jobs, vertex_study, vertex_local, vertex_build):
        module.register(vertex)
    app.add_typer(vertex)
