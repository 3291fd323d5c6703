from __future__ import annotations

import pytest


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket `colours` on a storage emulator at a free loopback port."""
    from gcp_storage_emulator.server import create_server
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    with create_server("127.0.0.1", 0, in_memory=True, default_bucket="colours") as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
        yield storage.Client(project="test", credentials=AnonymousCredentials()).bucket("colours")
