# SPDX-License-Identifier: MIT
"""tests/COVERAGE.md, docs/security.md and docs/reliability.md name tests that exist, and the former every row of the spec that is promised."""
import re

import pytest
from programs import ROOT

TEXT = (ROOT / "tests/COVERAGE.md").read_text(encoding="utf-8")
PROMISED = {"ADM": 9, "CLI": 15, "RUN": 9, "ECH": 2, "STO": 15, "FND": 8, "MOV": 5, "WHL": 5, "EXT": 11, "DCM": 22, "PKG": 6}


@pytest.mark.parametrize("document, least", [("tests/COVERAGE.md", 100), ("docs/security.md", 40), ("docs/reliability.md", 25)])
def test_each_named_test_exists(document, least):
    named = re.findall(r"`((?:\w+/)?test_\w+\.(?:py|c))(?:::(\w+))?`", (ROOT / document).read_text(encoding="utf-8"))
    assert len(named) > least
    for file, name in named:
        path = ROOT / ("tests/system" if file.endswith(".py") else "tests/unit") / file
        assert path.exists(), file
        if name:
            assert re.search(rf"\b{name}\(", path.read_text(encoding="utf-8")), f"{file}::{name}"


def test_each_promised_row_is_there():
    for prefix, last in PROMISED.items():
        missing = [f"{prefix}-{n:02}" for n in range(1, last + 1) if f"{prefix}-{n:02}" not in TEXT]
        assert not missing, missing
    assert "CFG-01" in TEXT and "CFG-03" in TEXT
