"""The frame of every page, and how moments, sizes and states are written."""

from datetime import UTC, datetime

from local.wandb_server.pages.markup import Html, join, tag

# Nothing is loaded from anywhere and no script runs, whatever a run has called itself. No page
# shows ours within it: somebody could be led to press a button that they do not see.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

KIB = 1024

STYLE = Html("""
:root { color-scheme: light dark; --line: #8883; --quiet: #808590; --mark: #2f6fde; }
body { font: 15px/1.5 system-ui, sans-serif; margin: auto; max-width: 1080px; padding: 1.5rem; }
h1 { font-size: 1.4rem; margin: .2rem 0 1rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
a { color: var(--mark); text-decoration: none; } a:hover { text-decoration: underline; }
nav, .quiet, dt { color: var(--quiet); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; color: var(--quiet); }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; }
td { vertical-align: top; }
td:not(:last-child) { white-space: nowrap; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: 0; }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .6rem; overflow-x: auto; }
.state, .alias { border-radius: 1rem; padding: .05rem .6rem; font-size: .85rem; }
.state, .alias { white-space: nowrap; }
.alias { border: 1px solid var(--line); margin-right: .25rem; }
.running, .PENDING { background: #2f6fde26; color: #2f6fde; }
.finished, .COMMITTED { background: #1f9d5526; color: #1f9d55; }
.failed, .crashed, .killed { background: #d6404026; color: #d64040; }
.preempting, .preempted, .pending { background: #c0770026; color: #c07700; }
form { display: inline; margin-left: .8rem; }
.curves { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr)); gap: 1rem; }
figure { border: 1px solid var(--line); border-radius: 6px; margin: 0; padding: .6rem; }
figcaption { display: flex; justify-content: space-between; gap: .5rem; font-size: .9rem; }
figcaption span { overflow-wrap: anywhere; } svg { display: block; width: 100%; height: 90px; }
polyline { fill: none; stroke: var(--mark); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
circle { fill: var(--mark); } figure .quiet { font-size: .8rem; }
""")


def page(title: str, path: list[tuple[str, str]], *body: object, refresh: int = 0) -> str:
    """A whole page; `path` links to the pages above, after `refresh` seconds it reloads."""
    links = join(*[join(tag("a", name, href=address), " / ") for name, address in path])
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=refresh) if refresh else "",
        tag("title", title),
        tag("style", STYLE),
    )
    content = tag("body", tag("nav", links), tag("h1", title), *body)
    return f"<!doctype html>{tag('html', head, content, lang='en')}"


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < KIB:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= KIB
    return f"{value:.1f} GiB"


def badge(state: str) -> Html:
    return tag("span", state, class_=f"state {state}")


def alias(name: str) -> Html:
    return tag("span", name, class_="alias")
