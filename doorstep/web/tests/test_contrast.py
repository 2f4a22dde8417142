"""Every pair of ink and ground that the styles use stays readable, in light, in dark and in large type."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).parents[1] / "static" / "web" / "tokens.css"
READABLE = 4.5
VISIBLE = 3.0
INKS = ("ink", "muted", "door", "jade", "amber", "indigo")
TEXT = [
    *[(ink, ground) for ink in INKS for ground in ("paper", "card", "sunk")],
    *[(tone, f"{tone}-soft") for tone in ("door", "jade", "amber", "indigo")],
    *[("ink", f"{tone}-soft") for tone in ("door", "jade", "amber", "indigo")],
    *[("muted", f"{tone}-soft") for tone in ("door", "indigo")],
    *[(f"on-{tone}", tone) for tone in ("door", "jade", "amber", "indigo")],
    ("on-door", "door-deep"),
    ("paper", "ink"),
]  # fmt: skip
EDGES = [("edge", "paper"), ("edge", "card")]


def blocks() -> dict[str, dict[str, str]]:
    css = re.sub(r"/\*.*?\*/", "", TOKENS.read_text("utf-8"), flags=re.S)
    found: dict[str, dict[str, str]] = {}
    for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        colours = dict(re.findall(r"--([a-z-]+):\s*(#[0-9A-Fa-f]{6});", body))
        if colours:
            found[selector.strip()] = colours
    return found


def themes() -> dict[str, dict[str, str]]:
    b = blocks()
    light, dark = b[":root"], b[":root"] | b[':root[data-theme="dark"]']
    return {
        "light": light,
        "dark": dark,
        "large": light | b[":root[data-large]"],
        "dark large": dark | b[':root[data-large][data-theme="dark"]'],
    }


def luminance(colour: str) -> float:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21.0)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark", "large", "dark large"])
def test_every_text_is_readable(theme):
    colours = themes()[theme]
    poor = {(a, b): round(contrast(colours[a], colours[b]), 2) for a, b in TEXT}
    assert {pair: ratio for pair, ratio in poor.items() if ratio < READABLE} == {}


@pytest.mark.parametrize("theme", ["light", "dark", "large", "dark large"])
def test_every_edge_of_a_control_is_visible(theme):
    colours = themes()[theme]
    ratios = {(a, b): round(contrast(colours[a], colours[b]), 2) for a, b in EDGES}
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < VISIBLE} == {}


def test_the_dark_tokens_by_device_and_by_choice_are_the_same():
    b = blocks()
    by_device = next(v for k, v in b.items() if k.endswith(':root:not([data-theme="light"])') and "paper" in v)
    assert by_device == b[':root[data-theme="dark"]']


def test_large_type_has_no_text_under_18_and_targets_of_60():
    css = TOKENS.read_text("utf-8")
    large = css[css.index(":root[data-large] {") :]
    sizes = {name: float(rem) * 16 for name, rem in re.findall(r"--(t\d+): ([\d.]+)rem", large)}
    assert min(sizes.values()) == 18
    assert min(sizes["t22"], sizes["t28"], sizes["t40"]) == 30
    assert re.search(r"--target: (\d+)px", large)[1] == "60"
