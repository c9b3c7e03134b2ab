"""TeX to MathML, which browsers draw without a library: formulas in a report need no network and print well."""

from __future__ import annotations

import html
import re

LONGEST_FORMULA = 5000

_SPELLED = {
    r"\begin{aligned}": r"\begin{align*}",
    r"\end{aligned}": r"\end{align*}",
    r"\begin{split}": r"\begin{align*}",
    r"\end{split}": r"\end{align*}",
    r"\operatorname*": r"\operatorname",
}
# the converter leaves what it does not know as text: a backslash, or a bare &
_NOT_UNDERSTOOD = re.compile(r">[^<]*\\|<m\w+>&</m\w+>")

_IN_HTML = re.compile(
    r"<(?P<code>pre|code)\b.*?</(?P=code)>|(?<![$\\])\$\$(?P<display>.+?)\$\$|(?<![$\\])\$(?P<inline>[^$]+?)(?<!\\)\$",
    re.DOTALL | re.IGNORECASE,
)


def with_mathml(text: str) -> str:
    """HTML whose formulas between dollars are MathML, as a page of a notebook typesets them; code stays as it is."""
    return _IN_HTML.sub(_typeset, text)


def _typeset(part: re.Match[str]) -> str:
    tex = part["display"] or part["inline"]
    return tex_to_mathml(html.unescape(tex), display=part["display"] is not None) if tex else part[0]


def tex_to_mathml(tex: str, display: bool = False) -> str:
    """MathML of a formula in TeX, or the TeX itself in a `code` element where it is not understood."""
    from latex2mathml.converter import convert

    spelled = tex.strip()
    for theirs, ours in _SPELLED.items():
        spelled = spelled.replace(theirs, ours)
    try:
        mathml = convert(spelled, display="block" if display else "inline") if len(tex) <= LONGEST_FORMULA else ""
    except Exception:  # the converter answers malformed TeX with whatever its parser stumbles on
        mathml = ""
    if mathml and not _NOT_UNDERSTOOD.search(mathml):
        return mathml
    element = "div" if display else "span"
    return f'<{element} class="tex"><code>{html.escape(tex.strip())}</code></{element}>'
