"""The colours of the desk's style sheet: their contrast in light and in dark mode (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from typing import Final

import pytest

from local import ROOT

_COLORS: Final = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([\w-]+): light-dark\(#(\w{6}), #(\w{6})\)", (ROOT / "app/desk/static/desk.css").read_text("utf-8")
    )
}
_TEXTS: Final = ("text", "soft", "accent", "good", "warn", "info", "bad", "calm")


def _luminance(color: str) -> float:
    parts = (int(color[place : place + 2], 16) / 255 for place in (0, 2, 4))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(first: str, second: str) -> float:
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "panel", "raised"])
def test_texts_and_borders_of_controls_have_enough_contrast(ground: str, mode: int) -> None:
    """At least 4.5:1 for text, and 3:1 for the borders of controls, on each background."""
    behind = _COLORS[ground][mode]
    found = {name: _contrast(_COLORS[name][mode], behind) for name in (*_TEXTS, "edge")}
    assert {name: contrast for name, contrast in found.items() if contrast < (3 if name == "edge" else 4.5)} == {}


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_the_text_of_the_main_button_has_enough_contrast(mode: int) -> None:
    """At least 4.5:1."""
    assert _contrast(_COLORS["on-accent"][mode], _COLORS["accent"][mode]) >= 4.5
