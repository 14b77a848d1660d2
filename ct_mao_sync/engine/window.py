"""Which stretch of time a run looks at, and where the watermark goes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ct_mao_sync.engine.job import Pass
from ct_mao_sync.errors import ConfigError, Problem, RunStopped


@dataclass(frozen=True, slots=True)
class Window:
    """`since` is the lower bound of the query. `until` is the watermark-to-be; None until the first page
    told the source's time. `moves_watermark` is False for explorations that must not touch it."""

    since: datetime
    until: datetime | None
    cursor: str | None
    watermark: datetime | None
    moves_watermark: bool
    query_until: datetime | None = None
    """The upper bound of the query: only for `--until`."""


def plan_window(
    scan: Pass,
    *,
    watermark: datetime | None,
    since: datetime | None,
    until: datetime | None,
    job: str,
) -> Window:
    """A fresh window. `since` and `until` are what a person gave.

    Raises ConfigError when there is nowhere to begin.
    """
    beginning = watermark or scan.start_at
    if since is None and beginning is None:
        raise ConfigError(
            [
                Problem(
                    code="first-run",
                    message=f"{job}: this is the first run and nothing says where to begin",
                    field=f"{job}.start_at",
                    hint=f'set start_at = "2026-11-01T00:00:00Z" under [{job}] in the configuration, '
                    f"or: ct-mao-sync sync {job} --since 2026-11-01T00:00:00Z",
                )
            ]
        )
    overlap = timedelta(seconds=scan.overlap_s)
    if since is None:
        assert beginning is not None
        lower = beginning - overlap
    else:
        lower = since
    # Exploring earlier time never moves the watermark backwards (max below); later time must not be
    # left out, nor rows of the overlap that became visible late, so it moves only when all are read.
    needed = watermark - overlap if watermark else scan.start_at
    moves = since is None or needed is None or since <= needed
    return Window(
        since=lower,
        until=None,
        cursor=None,
        watermark=watermark,
        moves_watermark=moves,
        query_until=until,
    )


def until_of(
    window: Window, scan: Pass, *, server_now: datetime | None, elapsed_s: float, source: str
) -> datetime:
    """The watermark-to-be: the source's own clock at the beginning of the first request, less the time
    that late rows may need to become visible; never below the old watermark.

    Raises RunStopped when the source does not tell the time.
    """
    if server_now is None:
        raise RunStopped(
            Problem(
                code="no-server-clock",
                message=f"{source} sent no Date header, so it is unknown up to when its changes were read",
                hint="nothing was changed; check for a proxy that removes response headers",
            )
        )
    until = server_now - timedelta(seconds=elapsed_s + scan.settle_s)
    if window.query_until is not None:
        until = min(until, window.query_until)
    return max(until, window.watermark) if window.watermark else until


def final_watermark(window: Window, until: datetime) -> datetime | None:
    """Where the watermark stands once every change of the window is accounted for."""
    if not window.moves_watermark:
        return window.watermark
    return max(window.watermark, until) if window.watermark else until
