"""The rules as they are shipped: every test of this package reads the real configuration."""

from pathlib import Path

import pytest

from services.market.files import MarketRules, load_market

CONFIG_DIR = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="session")
def rules() -> MarketRules:
    return load_market(CONFIG_DIR)


@pytest.fixture(scope="session")
def config_dir() -> Path:
    return CONFIG_DIR
