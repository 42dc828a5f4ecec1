"""HTML that cannot be built unescaped: whatever is not yet Html is text."""

from html import escape

EMPTY = frozenset({"meta", "input", "polyline", "circle", "line"})


class Html(str):
    """Text that is HTML already: made here, or a constant of ours."""

    __slots__ = ()


def _render(child: object) -> str:
    return child if isinstance(child, Html) else escape(str(child))


def join(*children: object) -> Html:
    return Html("".join(map(_render, children)))


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element; `class_` is the attribute class, `stroke_width` is stroke-width."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in EMPTY:
        return Html(f"<{name}{written}>" if name in {"meta", "input"} else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def table(heads: list[str], rows: list[list[object]]) -> Html:
    """A table whose cells are text or Html; nothing at all when there are no rows."""
    if not rows:
        return tag("p", "none", class_="quiet")
    head = tag("tr", *[tag("th", name) for name in heads])
    body = [tag("tr", *[tag("td", cell) for cell in row]) for row in rows]
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll")


def facts(pairs: list[tuple[str, object]]) -> Html:
    """Names and values, those without a value left out."""
    known = [(name, value) for name, value in pairs if value not in {None, ""}]
    return tag("dl", *[join(tag("dt", name), tag("dd", value)) for name, value in known])
