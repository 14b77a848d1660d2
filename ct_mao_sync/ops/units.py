"""systemd units and a crontab for the jobs that are on. Pure: paths and rhythms in, texts out.

One oneshot service as a template, one timer per job; or, instead of the timers, one service that is `run`.
(systemd docs: systemd.exec, systemd.timer, systemd.time, Credentials.)
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePath

USER = "ct-mao-sync"
STATE_DIR = PurePath("/var/lib/ct-mao-sync")


@dataclass(frozen=True, slots=True)
class Installation:
    """What the units have to know. `command` is absolute; `credentials`: file name -> where it lies."""

    command: Sequence[str]
    config: Path
    rhythms: Mapping[str, timedelta]
    credentials: Mapping[str, Path]
    environment_file: Path | None
    writable: Sequence[PurePath]
    """Folders outside STATE_DIR that a run writes into."""


def render_systemd(at: Installation) -> dict[str, str]:
    """File name -> text."""
    units = {
        "ct-mao-sync@.service": _service(
            at,
            "one run of the job %i",
            "Type=oneshot",
            "sync %i",
            "# 3: done, some records were set aside. 6: the last run is still alive.\nSuccessExitStatus=3 6",
            "",
        ),
        "ct-mao-sync.service": _service(
            at,
            "all jobs in their rhythms (instead of the timers, not beside them)",
            "Type=exec",
            "run",
            "SuccessExitStatus=143\nRestart=on-failure\nRestartSec=30\nRestartPreventExitStatus=2",
            "\n[Install]\nWantedBy=multi-user.target\n",
        ),
    }
    for job, every in at.rhythms.items():
        units[f"ct-mao-sync-{job}.timer"] = _timer(job, every)
    return units


def _service(at: Installation, what: str, kind: str, command: str, exits: str, install: str) -> str:
    at_home = any(str(path).startswith(("/home/", "/root/")) for path in (at.config, at.command[0]))
    lines = [
        "[Unit]",
        f"Description=ct-mao-sync: {what}",
        "Documentation=man:systemd.exec(5)",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        kind,
        f"ExecStart={_quoted([*at.command, '--config', str(at.config)])} {command}",
        exits,
        "TimeoutStopSec=45",
        "",
        f"# The user is yours to make: useradd --system --home-dir {STATE_DIR} {USER}",
        f"User={USER}",
        "StateDirectory=ct-mao-sync",
        "StateDirectoryMode=0700",
        f"WorkingDirectory={STATE_DIR}",
        "UMask=0077",
    ]
    if at.credentials:
        lines.append("# Secrets: read by systemd as root, seen by this service only.")
        lines += [f"LoadCredential={name}:{path}" for name, path in at.credentials.items()]
    if at.environment_file is not None:
        lines.append(f"EnvironmentFile={at.environment_file}")
    lines += ["", "# It needs the network, its configuration and its state; nothing else.", *_HARDENING]
    lines.append(f"ProtectHome={'read-only' if at_home else 'yes'}")
    lines += [f"ReadWritePaths=-{path}" for path in at.writable]
    return "\n".join(lines) + "\n" + install


_HARDENING = (
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "ProtectProc=invisible",
    "ProcSubset=pid",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RemoveIPC=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged @resources",
    "SystemCallErrorNumber=EPERM",
)


def _timer(job: str, every: timedelta) -> str:
    calendar = on_calendar(every)
    rhythm = (
        # Persistent: what was missed while the machine was off is made up for at once.
        [f"OnCalendar={calendar}", "Persistent=true"]
        if calendar
        else ["OnBootSec=1min", f"OnUnitInactiveSec={_seconds(every)}s"]
    )
    return "\n".join(
        [
            "[Unit]",
            f"Description=ct-mao-sync: {job} every {_spoken(every)}",
            "",
            "[Timer]",
            *rhythm,
            "AccuracySec=1s",
            f"RandomizedDelaySec={max(1, min(30, _seconds(every) // 10))}",
            f"Unit=ct-mao-sync@{job}.service",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def on_calendar(every: timedelta) -> str:
    """systemd's calendar expression; "" where the rhythm does not divide a minute, an hour or a day."""
    seconds = _seconds(every)
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60 and 60 % seconds == 0:
        return f"*:*:0/{seconds}"
    if seconds % 60 == 0 and minutes < 60 and 60 % minutes == 0:
        return f"*:0/{minutes}"
    if seconds % 3600 == 0 and hours < 24 and 24 % hours == 0:
        return f"0/{hours}:00"
    return "*-*-* 00:00" if seconds == 86400 else ""


def on_cron(every: timedelta) -> str:
    """The five fields of cron; "" where it cannot say it."""
    seconds = _seconds(every)
    minutes, hours = seconds // 60, seconds // 3600
    if seconds % 60 == 0 and 0 < minutes < 60 and 60 % minutes == 0:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    if seconds % 3600 == 0 and hours < 24 and 24 % hours == 0:
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    return "0 0 * * *" if seconds == 86400 else ""


def render_cron(at: Installation) -> str:
    """A crontab of one user. Results go nowhere, so that cron mails only what went wrong (stderr)."""
    lines = [
        "# ct-mao-sync: a crontab of the user that owns the state file. To install it:  crontab FILE",
        "# cron mails what goes to stderr, which is what went wrong.",
        "SHELL=/bin/sh",
    ]
    before = ""
    if at.credentials:
        folder = next(iter(at.credentials.values())).parent
        lines.append(f"CREDENTIALS_DIRECTORY={folder}")
    if at.environment_file is not None:
        before = f"set -a; . {shlex.quote(str(at.environment_file))}; set +a; "
    command = shlex.join([*at.command, "--config", str(at.config)])
    for job, every in at.rhythms.items():
        fields = on_cron(every)
        if not fields:
            lines.append(f"# {job}: cron cannot say every {_spoken(every)}; take `run`, or another rhythm")
            continue
        # To cron a percent sign is the end of the line.
        lines.append(f"{fields} " + f"{before}{command} sync {job} >/dev/null".replace("%", "\\%"))
    return "\n".join(lines) + "\n"


def _quoted(words: Sequence[str]) -> str:
    """systemd splits like a shell, expands % and $."""
    return " ".join(shlex.quote(word).replace("%", "%%").replace("$", "$$") for word in words)


def _seconds(every: timedelta) -> int:
    return max(1, int(every.total_seconds()))


def _spoken(every: timedelta) -> str:
    seconds = _seconds(every)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = seconds // size
            return f"{count} {unit}s" if count > 1 else unit
    return f"{seconds} seconds"
