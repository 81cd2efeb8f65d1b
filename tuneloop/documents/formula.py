"""Word's formulas (OMML) on one line: ``x=(-b±√(b^2-4ac))/(2a)``. Without this, ``πr²`` would read ``πr2``."""

from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"


def formula_text(element: Any) -> str:
    """The text of a formula or of a part of it."""
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""
    part = {child.tag: child for child in element}

    def of(child: str) -> str:
        return formula_text(part[f"{M}{child}"]) if f"{M}{child}" in part else ""

    match name:
        case "t":
            return element.text or ""
        case "f":
            return f"{grouped(of('num'))}/{grouped(of('den'))}"
        case "sSup":
            return f"{of('e')}^{grouped(of('sup'))}"
        case "sSub":
            return f"{of('e')}_{grouped(of('sub'))}"
        case "sSubSup":
            return f"{of('e')}_{grouped(of('sub'))}^{grouped(of('sup'))}"
        case "rad":
            return f"{of('deg')}√{grouped(of('e'))}"
        case "nary":
            limits = [f"{sign}{grouped(text)}" for sign, text in (("_", of("sub")), ("^", of("sup"))) if text]
            return f"{symbol(element, 'naryPr', '∫')}{''.join(limits)} {of('e')}"
        case "d":
            inner = ", ".join(formula_text(child) for child in element.findall(f"{M}e"))
            return f"{symbol(element, 'dPr', '(', 'begChr')}{inner}{symbol(element, 'dPr', ')', 'endChr')}"
        case "func":
            return f"{of('fName')} {of('e')}"
        case "rPr" | "ctrlPr" | "fPr" | "radPr" | "sSupPr" | "sSubPr":
            return ""
    return "".join(formula_text(child) for child in element)


def grouped(text: str) -> str:
    """``text`` in brackets, where it is more than one number or letter."""
    return text if len(text) <= 1 or text.isdecimal() or (text.startswith("(") and text.endswith(")")) else f"({text})"


def symbol(element: Any, properties: str, default: str, name: str = "chr") -> str:
    found = element.find(f"{M}{properties}/{M}{name}")
    return found.get(f"{M}val") or "" if found is not None else default
