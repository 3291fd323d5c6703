from __future__ import annotations

import pytest


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A local Vertex AI, and clients that are quick to try again."""
    from fake_vertex import FakeVertex

    from trainer.vertex import cloud

    monkeypatch.setattr(cloud, "FIRST_PAUSE_S", 0.02)
    with FakeVertex(tmp_path / "server") as server:
        yield server


@pytest.fixture
def vertex(fake):
    """The real client, connected to it."""
    from trainer.vertex.cloud import Vertex
    from trainer.vertex.place import Place

    return Vertex(Place("rehearsal", "europe-west4", fake.url), patience_s=5)
