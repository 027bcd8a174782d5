"""A home on the starter models; a server on a free port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings, settings_from


def settings_at(home: Path, models: Path, **more: str) -> Settings:
    env = {
        "QUIRE_HOME": str(home),
        "QUIRE_OFFLINE": "1",
        "QUIRE_PORT": "1",  # nobody listens there
        "OLLAMA_MODELS": str(models),
        "QUIRE_MAX_FILE_MB": "1",
        **more,
    }
    return settings_from(env)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, starter_models: Path) -> Iterator:
    """Yield (client, settings) of a real server with everything behind it."""
    from app.client import Client, noting
    from app.compose import compose
    from app.server import bind, build_app, running

    settings = settings_at(tmp_path_factory.mktemp("home"), starter_models)
    with (
        compose(settings, lambda _: None) as parts,
        running(build_app(parts, has_ui=False), bind("127.0.0.1", 0)) as url,
        noting(settings.home, url),
    ):
        client = Client(url)
        yield client, settings
        client.close()
