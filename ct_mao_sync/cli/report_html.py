"""The report as one page that needs nothing else: light and dark, on a phone, on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ct_mao_sync.cli.charts import nice_span, render_bars, render_lines
from ct_mao_sync.cli.render import one_line, render_span
from ct_mao_sync.ops.report import Report

_STYLE = """
:root { color-scheme: light dark; --page:#f6f7f9; --card:#fff; --ink:#1b2330; --soft:#5c6675;
  --line:#dfe3e9;
  --good:#1a7f4b; --bad:#b3261e;
  --c0:#2563c4; --c1:#1d9a6c; --c2:#d97706; --c3:#8b5cd6; --c4:#c8375d; --c5:#0e8fa8; --c6:#7a8a1e;
  --c7:#9a5b2f;
  --c8:#8a929e }
@media (prefers-color-scheme: dark) { :root { --page:#12161c; --card:#1a2028; --ink:#e4e8ee; --soft:#98a3b3;
  --line:#2d3642; --good:#4cc38a; --bad:#ff8a80; --c0:#6a9df0; --c1:#4cc38a; --c2:#f0a34a; --c3:#b294f0;
  --c4:#f07f9c; --c5:#4fc1d6; --c6:#b7c65a; --c7:#cf9468; --c8:#8a929e } }
* { box-sizing:border-box }
body { margin:0; background:var(--page); color:var(--ink); font:15px/1.5 system-ui,-apple-system,"Segoe UI",
  Roboto,"Helvetica Neue",Arial,sans-serif }
main { max-width:1040px; margin:0 auto; padding:24px 16px 48px }
h1 { font-size:1.5rem; line-height:1.25; margin:0 }
h2 { font-size:1.05rem; margin:0 0 2px }
p { margin:0 0 10px } .soft { color:var(--soft); font-size:.9rem }
section { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:16px;
  margin-top:16px }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(128px,1fr)); gap:10px; margin-top:16px }
.cards div { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:10px 14px }
.cards b { display:block; font-size:1.5rem; line-height:1.3; font-variant-numeric:tabular-nums }
.cards span { color:var(--soft); font-size:.85rem; line-height:1.3; display:block }
.cards .bad b { color:var(--bad) }
.two { display:grid; grid-template-columns:1fr 1fr; gap:16px; margin-top:16px }
.two section { min-width:0; margin-top:0 }
.chart { display:grid; grid-template-columns:auto 1fr; gap:4px 8px; margin-top:12px }
.chart svg { width:100%; height:170px; display:block }
.axis,.days { display:flex; justify-content:space-between; color:var(--soft); font-size:.75rem;
  font-variant-numeric:tabular-nums }
.axis { flex-direction:column; text-align:right; line-height:1; height:170px } .days { grid-column:2 }
.grid line { stroke:var(--line); stroke-width:1; vector-effect:non-scaling-stroke }
.legend { list-style:none; display:flex; flex-wrap:wrap; gap:2px 14px; margin:8px 0 0; padding:0;
  font-size:.85rem }
.legend i { display:inline-block; width:10px; height:10px; border-radius:2px; margin-right:6px }
path { fill:none; stroke-width:2.5; stroke-linejoin:round; stroke-linecap:round;
  vector-effect:non-scaling-stroke }
.scroll { overflow-x:auto } table { border-collapse:collapse; width:100%; font-size:.9rem }
th,td { text-align:left; padding:6px 10px 6px 0; border-bottom:1px solid var(--line); vertical-align:top }
th { color:var(--soft); font-weight:500; white-space:nowrap }
.keep,td code { white-space:nowrap }
.n + td:not(.n),.n + th:not(.n) { padding-left:14px } tr:last-child td { border-bottom:0 }
.n { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap }
code { font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace; font-size:.85em }
footer { color:var(--soft); font-size:.8rem; margin-top:20px }
@media (max-width:700px) { .two { grid-template-columns:1fr } .cards { grid-template-columns:1fr 1fr }
  .cards div:first-child { grid-column:1/-1 }
  .stack thead { display:none } .stack tr { display:block; padding:8px 0;
  border-bottom:1px solid var(--line) }
  .stack tr:last-child { border-bottom:0 } .stack td { display:flex; justify-content:space-between;
  gap:16px;
  border:0; padding:2px 0; text-align:right; white-space:normal; overflow-wrap:anywhere }
  .stack td::before { content:attr(data-name); color:var(--soft); text-align:left; white-space:nowrap }
  .stack td.wide { display:block; text-align:left } .stack td code { white-space:normal }
  .stack td.wide::before { content:none } }
@media print { :root { --page:#fff; --card:#fff; --ink:#000; --soft:#444; --line:#ccc }
  body { font-size:11px } main { max-width:none; padding:0 } section,.cards div { break-inside:avoid }
  * { print-color-adjust:exact; -webkit-print-color-adjust:exact } }
"""
_COLOUR_RULES = "".join(
    f".f{n}{{fill:var(--c{n});background:var(--c{n})}}.l{n}{{stroke:var(--c{n})}}" for n in range(9)
)


def render_page(report: Report) -> str:
    """A whole HTML document."""
    first, last = report.days[0], report.days[-1]
    span = f"{first.day} {first:%b} to {last.day} {last:%b %Y}"
    late = report.remembered_since and report.remembered_since.date() > first
    since = f" The history begins on {report.remembered_since:%d %b %Y}." if late else ""
    body = "".join(
        (
            f"<h1>ct-mao-sync, {span}</h1>"
            f'<p class="soft">commercetools and Manhattan Active Omni. Days are UTC; '
            f"made {report.at:%Y-%m-%d %H:%M} UTC.{since}</p>",
            _cards(report),
            _written(report),
            f'<div class="two">{_lag(report)}{_requests(report)}</div>',
            _refused(report),
            _oldest(report),
            _jobs(report),
            "<footer>Counts and order numbers only, no personal data. Made from the state file by "
            "<code>ct-mao-sync report --html</code>.</footer>",
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>ct-mao-sync, {span}</title><style>{_STYLE}{_COLOUR_RULES}</style></head>"
        f"<body><main>{body}</main></body></html>\n"
    )


def _cards(report: Report) -> str:
    cards = []
    for name, value in report.headline():
        bad = ' class="bad"' if name == "waiting now" and value else ""
        cards.append(f"<div{bad}><b>{value:,}</b><span>{escape(name)}</span></div>")
    return f'<div class="cards">{"".join(cards)}</div>'


def _written(report: Report) -> str:
    series = {job.job: job.written_by_day for job in report.jobs}
    return _section(
        "Written each day",
        "Records that one side did not have as the other, brought in line.",
        render_bars(report.days, series, _number) if series else _nothing("no run in these days"),
    )


def _lag(report: Report) -> str:
    series = {job.job: job.lag_max_by_day for job in report.jobs if job.lag_max_s is not None}
    return _section(
        "Lag",
        "The longest of each day: how far behind its source a good run ended.",
        render_lines(report.days, series, _span, top=nice_span)
        if series
        else _nothing("no good run in these days"),
    )


def _requests(report: Report) -> str:
    series = {job.job: job.requests_by_day for job in report.jobs}
    return _section(
        "Requests",
        f"{report.requests:,} to both systems together.",
        render_bars(report.days, series, _number) if series else _nothing("none"),
    )


def _refused(report: Report) -> str:
    total = sum(report.refused.values())
    if not total:
        return _section("Set aside, by reason", "", _nothing("nothing was set aside in these days"))
    chart = render_bars(report.days, report.refused_by_day, _number)
    rows = (
        (f"<code>{escape(code)}</code>", _number(count), _number(report.waiting.get(code, 0)))
        for code, count in report.refused.items()
    )
    table = _table(("reason", "set aside", "waiting now"), rows, numbers=(1, 2), stacks=False)
    note = f"Each record once a day. {report.closed:,} left the queue by a success."
    return _section("Set aside, by reason", note, f"{chart}<br>{table}")


def _oldest(report: Report) -> str:
    if not report.oldest:
        return _section("Waiting longest", "", _nothing("the queue is empty"))
    rows = (
        (
            escape(one_line(letter.label)),
            escape(letter.job),
            f"<code>{escape(letter.code)}</code>",
            escape(render_span((report.at - letter.first_at).total_seconds())),
            escape(one_line(letter.message)),
        )
        for letter in report.oldest
    )
    names = ("record", "job", "reason", "waits for", "what happened")
    note = "With the cure: <code>ct-mao-sync errors list</code>"
    return _section("Waiting longest", note, _table(names, rows, numbers=(3,), wide=4))


def _jobs(report: Report) -> str:
    outcomes = ("written", "unchanged", "rejected", "skipped")
    rows = (
        (
            escape(job.job),
            _number(job.runs),
            _number(job.failed),
            *(_number(job.counts[name]) for name in outcomes),
            _number(job.requests),
            escape(render_span(job.busy_s)),
            escape(render_span(job.lag_max_s)) if job.lag_max_s is not None else "",
        )
        for job in report.jobs
    )
    names = (
        "job",
        "runs",
        "failed",
        "written",
        "unchanged",
        "rejected",
        "skipped",
        "requests",
        "busy",
        "lag max",
    )
    return _section("Jobs", "", _table(names, rows, numbers=range(1, 10)))


def _section(title: str, note: str, content: str) -> str:
    said = f'<p class="soft">{note}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{said}{content}</section>"


def _nothing(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def _table(
    names: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    wide: int = -1,
    stacks: bool = True,
) -> str:
    """`rows` are HTML; columns of `numbers` are set right. On a phone the cells of a row that `stacks` stand
    below each other, with the name of their column; that of `wide` takes the whole width."""
    right = set(numbers)

    def classes(column: int) -> str:
        if column in right:
            return ' class="n"'
        return ' class="wide"' if column == wide else ' class="keep"' if column == 0 else ""

    head = "".join(f"<th{classes(column)}>{escape(name)}</th>" for column, name in enumerate(names))
    body = "".join(
        "<tr>"
        + "".join(
            f'<td{classes(column)} data-name="{escape(names[column])}">{cell}</td>'
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    kind = ' class="stack"' if stacks else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _span(value: float) -> str:
    return render_span(value) if value else "0"
