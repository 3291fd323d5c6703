from __future__ import annotations

import pytest


@pytest.fixture
def vertex(fake):
    """The real client, connected to it."""
    from trainer.vertex.cloud import Vertex
    from trainer.vertex.place import Place

    return Vertex(Place("rehearsal", "europe-west4", fake.url), patience_s=5)
