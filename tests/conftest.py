import pytest


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """A local Vertex AI, and clients that are quick to try again."""
    from fake_vertex import FakeVertex

    from trainer.vertex import cloud

    monkeypatch.setattr(cloud, "FIRST_PAUSE_S", 0.02)
    with FakeVertex(tmp_path / "server") as server:
        yield server
