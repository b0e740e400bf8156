"""Which screen suits which place, and what it costs to ask."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import ipywidgets
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from aoai_magic.display import open_screen
from aoai_magic.display.detect import kind_here
from aoai_magic.display.live.screen import LiveScreen
from aoai_magic.display.saved.bundles import FrozenScreen
from aoai_magic.display.terminal import TerminalScreen
from aoai_magic.turn.view import View

SCREENS = {"terminal": TerminalScreen, "frozen": FrozenScreen, "live": LiveScreen}


class Kernel:
    """What is asked of a kernel: the request that runs now."""

    def __init__(self, request):
        self.request = request

    def get_parent(self, channel):
        assert channel == "shell"
        return self.request


@pytest.fixture
def shell(published):
    return InteractiveShell.instance()


def test_without_ipython_or_without_a_kernel_it_is_a_terminal(shell):
    assert kind_here() == "terminal"


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        ({"content": {"allow_stdin": True}}, "live"),
        ({"content": {"allow_stdin": False}}, "frozen"),
        ({"content": {}}, "frozen"),
        ({}, "frozen"),
    ],
)
def test_a_kernel_is_as_live_as_the_one_who_asks(shell, request_, kind):
    shell.kernel = Kernel(request_)
    assert kind_here() == kind
    assert isinstance(open_screen("auto"), SCREENS[kind])
    del shell.kernel


def test_what_is_captured_is_frozen(shell):
    shell.kernel = Kernel({"content": {"allow_stdin": True}})
    with capture_output():
        assert kind_here() == "frozen"
    assert kind_here() == "live"
    del shell.kernel


@pytest.mark.parametrize(("version", "heard"), [((6, 31, 0), False), ((7, 0, 1), True)])
def test_a_stop_button_is_shown_only_where_it_is_heard(monkeypatch, shell, version, heard):
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace(version_info=version))
    screen = open_screen("live", on_stop=lambda: None)
    kinds = [type(child) for child in screen._status_bar.box.children]
    assert (ipywidgets.Button in kinds) is heard
    screen.close(View())


def test_asking_for_the_display_imports_nothing_heavy():
    code = (
        "import sys, aoai_magic.display as d; d.open_screen('terminal');"
        "print([name for name in ('ipywidgets', 'IPython', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
