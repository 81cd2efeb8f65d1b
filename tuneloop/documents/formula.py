"""Word's formulas (OMML) on one line: ``x=(-b±√(b^2-4ac))/(2a)``. Without this, ``πr²`` would read ``πr2``."""

from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
HAT, OVER, UNDER = "\u0302", "\u0305", "\u0332"  # combining


def formula_text(element: Any) -> str:
    """The text of a formula or of a part of it."""
    name = element.tag.removeprefix(M) if isinstance(element.tag, str) else ""
    part = {child.tag: child for child in element}

    def of(child: str) -> str:
        return formula_text(part[f"{M}{child}"]) if f"{M}{child}" in part else ""

    match name:
        case "t":
            return element.text or ""
        case "f" if symbol(element, "fPr", "", "type") == "noBar":  # one above the other, not divided
            return f"{stacked(element)}({of('num')}, {of('den')})"
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
            if inner.startswith("binom(") and is_only(element):
                return inner
            return f"{symbol(element, 'dPr', '(', 'begChr')}{inner}{symbol(element, 'dPr', ')', 'endChr')}"
        case "limLow" | "limUpp":
            return f"{of('e')}{'_' if name == 'limLow' else '^'}{grouped(of('lim'))}"
        case "sPre":
            return f"_{grouped(of('sub'))}^{grouped(of('sup'))}{of('e')}"
        case "m":
            rows = (", ".join(map(formula_text, row.findall(f"{M}e"))) for row in element.findall(f"{M}mr"))
            return f"[{'; '.join(rows)}]"
        case "eqArr":
            return "; ".join(map(formula_text, element.findall(f"{M}e")))
        case "acc":
            return f"{of('e')}{symbol(element, 'accPr', HAT)}"
        case "bar":
            return f"{of('e')}{UNDER if symbol(element, 'barPr', '', 'pos') == 'bot' else OVER}"
        case "func":
            return f"{of('fName')} {of('e')}"
        case "rPr" | "ctrlPr" | "fPr" | "radPr" | "sSupPr" | "sSubPr":
            return ""
    return "".join(formula_text(child) for child in element)


def stacked(fraction: Any) -> str:
    """What two lines one above the other are: a binomial in round brackets, else just that."""
    outer = fraction.getparent().getparent() if fraction.getparent() is not None else None
    round_ = outer is not None and outer.tag == f"{M}d" and symbol(outer, "dPr", "(", "begChr") == "("
    return "binom" if round_ and is_only(outer) else "stack"


def is_only(brackets: Any) -> bool:
    """Whether a fraction is all that stands in brackets."""
    inside = brackets.findall(f"{M}e")
    return len(inside) == 1 and [child.tag for child in inside[0] if child.tag != f"{M}ctrlPr"] == [f"{M}f"]


def grouped(text: str) -> str:
    """``text`` in brackets, where it is more than one number or letter."""
    return text if len(text) <= 1 or text.isdecimal() or (text.startswith("(") and text.endswith(")")) else f"({text})"


def symbol(element: Any, properties: str, default: str, name: str = "chr") -> str:
    found = element.find(f"{M}{properties}/{M}{name}")
    return found.get(f"{M}val") or "" if found is not None else default
