"""An application that cannot be there stops the start; whatever could be there is left to the runner that loads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rota.engine.app_check import check_app
from rota.errors import SettingInvalid

WITH_APP = "from rota import Rota\napp = Rota()\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(text: str, attribute: str = "rota") -> SettingInvalid:
    Path("shop.py").write_text(text)
    with pytest.raises(SettingInvalid) as refused:
        check_app(f"shop:{attribute}")
    assert refused.value.field == "ROTA_APP"
    assert "shop" not in sys.modules
    return refused.value


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    error = refusal(WITH_APP)
    assert error.reason == "module shop has no rota, it has app"
    assert error.hint == "did you mean shop:app?"
    assert refusal("import rota as r\nmine: r.Rota = r.Rota('sqlite:///x.db')").hint == "did you mean shop:mine?"
    assert "it has one, Two" in refusal("def one(): pass\nclass Two: rest = 1\n_hidden = 1").reason
    assert "it has no name at all" in refusal("").reason
    assert "has no app" in refusal("rota = 1", "app.rota").reason


@pytest.mark.parametrize(
    "text",
    [
        "from rota import Rota\nrota = Rota()",
        "from somewhere import rota",
        "import rota.testing",
        "from elsewhere import app as rota",
        "from somewhere import *",
        "if True:\n    try:\n        rota = 1\n    finally:\n        pass",
        "def make():\n    global rota\n    rota = 1\nmake()",
        "def __getattr__(name): return 1",
        "globals()['ro' + 'ta'] = 1",
        "import sys\nsetattr(sys.modules[__name__], 'rota', 1)",
        "for rota in [1]: pass",
        "with open('x') as rota: pass",
        "(rota := 1)",
        "def rota(): pass",
        "this is no Python",
        "x = '\0'",
    ],
)
def test_what_could_be_there_is_left_to_the_runner(text: str) -> None:
    Path("shop.py").write_text(text)
    check_app("shop:rota")


def test_a_name_may_be_a_module_of_a_package() -> None:
    Path("shop").mkdir()
    Path("shop/__init__.py").write_text("")
    Path("shop/jobs.py").write_text(WITH_APP)
    check_app("shop:jobs.app")
    check_app("shop.jobs:app")
    with pytest.raises(SettingInvalid, match="module shop.jobs has no rota, it has app"):
        check_app("shop.jobs:rota")
    with pytest.raises(SettingInvalid, match="module shop has no rota"):
        check_app("shop:rota")


def test_a_module_without_text_is_left_to_the_runner() -> None:
    Path("folder").mkdir()
    check_app("folder:rota")
    check_app("sys:rota")
    check_app(None)
