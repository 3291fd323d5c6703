"""How much room words take, and how they are cut or wrapped to fit, without asking a font.

SVG viewers choose a font of their own, so widths are upper estimates: the advance widths of DejaVu Sans, the widest of the
fonts in use, rounded up.
"""

from __future__ import annotations

from collections.abc import Sequence

_EM = {
    0.40: "'ijlIJ,. /:;\\|f-t()[]!·",
    0.53: 'r"*_`sz?',
    0.62: "cLkFvxyPaoTYe",
    0.70: "bdghnpquES0123456789${}KAVBRXZC",
    0.80: "UHNDGO&Q",
    1.00: "w#+<=>^~M%mW@",
}
_WIDTH_OF = {character: em for em, characters in _EM.items() for character in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """An upper estimate of the width of `text` in pixels at a font size of `size` pixels."""
    return sum(_WIDTH_OF.get(character, 1.0) for character in text) * size * (1.15 if bold else 1.0)


def fitted(text: str, width: float, size: float, bold: bool = False) -> str:
    """`text`, cut with an ellipsis where it would be wider than `width`."""
    if text_width(text, size, bold) <= width:
        return text
    while text and text_width(text + "…", size, bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def wrapped(parts: Sequence[str], separator: str, width: float, size: float, most: int) -> list[str]:
    """Parts joined to lines no wider than `width`; what does not fit in `most` lines is said to be left out."""
    lines: list[str] = []
    for k, part in enumerate(parts):
        longer = lines[-1] + separator + part if lines else ""
        if lines and text_width(longer + separator.rstrip(), size) <= width:
            lines[-1] = longer
        elif len(lines) < most:
            if lines:
                lines[-1] += separator.rstrip()
            lines.append(fitted(part, width, size))
        else:
            rest = f" … {len(parts) - k} more"
            lines[-1] = fitted(lines[-1], width - text_width(rest, size), size).rstrip("…") + rest
            break
    return lines
