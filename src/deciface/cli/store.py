"""`deciface store` and `deciface withdraw`: the workspace's health, its users, its trail, and erasure."""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deciface.cli.cases import Json, WorkspaceFolder, workspace_folder
from deciface.cli.output import emit, note
from deciface.cli.store_models import tell_of_models
from deciface.errors import AccessError, OptionError

if TYPE_CHECKING:
    from deciface.consent import Actor
    from deciface.store import Workspace
    from deciface.store.audit import Entry, Head

_READ_AT_ONCE = 10_000
"""Entries of the audit trail."""

app = typer.Typer(help="The workspace: verify, back up, users, consents, audit trail.", no_args_is_help=True)


@app.command("verify")
def verify(
    *,
    workspace: WorkspaceFolder = None,
    head: Annotated[
        str | None, typer.Option("--head", help="Number:sha256 noted earlier, to notice a trail that was cut.")
    ] = None,
    json: Json = False,
) -> None:
    """Check the audit chain, every photo file, the rows behind them and the database; exit code 2 when it fails."""
    from deciface.store import Workspace
    from deciface.store.verification import verify as run

    with Workspace.open(workspace_folder(workspace)) as opened:
        done = run(opened, expected_head=_head(head))
    emit(
        {
            "sound": done.sound,
            "findings": [{"severity": f.severity, "subject": f.subject, "message": f.message} for f in done.findings],
            "trail": {"entries": done.chain.entries, "head": str(done.chain.head) if done.chain.whole else None},
            "photos": done.photos,
            "encodings": done.encodings,
            "landmarks": done.landmarks,
            "withdrawn": done.withdrawn,
        },
        "\n".join(
            [
                *map(str, done.findings),
                f"{done.photos} photos, {done.encodings} vectors, {done.landmarks} versions of points, "
                f"{done.withdrawn} withdrawals, {done.chain.entries} entries of the audit trail looked at: "
                f"{'sound' if done.sound else 'NOT sound'}",
                *([f"head of the trail, to be noted elsewhere: {done.chain.head}"] if done.chain.whole else []),
            ]
        ),
        json=json,
    )
    if not done.sound:
        raise typer.Exit(2)


def _head(text: str | None) -> Head | None:
    from deciface.store.audit import Head

    if text is None:
        return None
    number, colon, sha256 = text.partition(":")
    if not (number.isdigit() and colon and len(sha256) == 64):
        raise OptionError(f"--head {text}: give NUMBER:SHA256 as `deciface store verify` printed it")
    return Head(int(number), sha256)


@app.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="A new folder.")],
    *,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Copy database and photos into a new folder, consistent while others write, and verify the copy."""
    from deciface.store import Workspace
    from deciface.store.backup import backup as run

    with Workspace.open(workspace_folder(workspace)) as opened:
        done = run(opened, target, now=opened.clock())
    emit(
        {"backup": str(target), "files": len(done.files), "made_at": done.made_at, "head": str(done.head)},
        f"backup of {len(done.files)} files in {target}, verified; head of its trail: {done.head}",
        json=json,
    )


@app.command("restore")
def restore(
    source: Annotated[Path, typer.Argument(help="A backup folder.")],
    target: Annotated[Path, typer.Argument(help="A new or empty folder for the workspace.")],
    *,
    withdrawn: Annotated[
        Path | None, typer.Option("--withdrawn", help="withdrawn.jsonl of the lost workspace: purged again.")
    ] = None,
    database: Annotated[str | None, typer.Option("--database", help="An empty PostgreSQL database.")] = None,
    json: Json = False,
) -> None:
    """Make a workspace from a backup; whoever was withdrawn since is purged again."""
    from deciface.store import Workspace
    from deciface.store.backup import restore as run

    done = run(source, target, withdrawn=withdrawn, database=database)
    with Workspace.open(target) as opened:  # purges whoever was withdrawn since
        try:
            opened.note_restored(done.manifest.made_at)
        except AccessError:
            note("you are no administrator of this workspace: its trail does not say that it was restored")
    if done.withdrawn is None:
        note(
            "nobody knows who was withdrawn since the backup: give withdrawn.jsonl of the lost workspace with "
            "--withdrawn, or withdraw them again by hand"
        )
    emit(
        {"workspace": str(target), "withdrawn_known": done.withdrawn is not None},
        f"workspace restored: {target}",
        json=json,
    )


@app.command("cases")
def cases(
    *,
    text: Annotated[str | None, typer.Option("--text", help="Only where this stands in id, disorder or gene.")] = None,
    disorder: Annotated[str | None, typer.Option("--disorder", help="Only this disorder id.")] = None,
    after: Annotated[str | None, typer.Option("--after", help="Go on behind this patient.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 50,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """List the cases you may see, by id."""
    from deciface.store import Workspace

    with Workspace.open(workspace_folder(workspace)) as opened:
        page = opened.list_page(after=after, limit=limit, disorder=disorder, text=text)
    emit(
        {
            "cases": [
                {
                    "patient": row.id,
                    "sex": str(row.sex),
                    "disorders": [d.name for d in row.disorders],
                    "photos": row.photos,
                    "simulated": row.simulated,
                }
                for row in page
            ],
            "next": page[-1].id if len(page) == limit else None,
        },
        "\n".join(
            f"{row.id}: {', '.join(d.name for d in row.disorders) or 'no diagnosis'}; {row.sex}, {row.photos} photos"
            f"{' [simulated person]' if row.simulated else ''}"
            for row in page
        ),
        json=json,
    )


@app.command("users")
def users(*, workspace: WorkspaceFolder = None, json: Json = False) -> None:
    """List who may use the workspace, with roles and site."""
    from deciface.store import Workspace

    with Workspace.open(workspace_folder(workspace)) as opened:
        found = opened.users()
    emit({"users": [_user(u) for u in found]}, "\n".join(map(_in_words, found)), json=json)


def _user(actor: Actor) -> dict[str, object]:
    return {"name": actor.user, "roles": sorted(actor.roles), "site": actor.site}


def _in_words(actor: Actor) -> str:
    at = f" at {actor.site}" if actor.site else ""
    return f"{actor.user}: {', '.join(sorted(actor.roles)) or 'no role'}{at}"


@app.command("user")
def user(
    name: Annotated[str, typer.Argument(help="Name on this machine.")],
    roles: Annotated[
        list[str], typer.Argument(help="viewer, contributor, curator, coordinator, reader, admin; or none.")
    ],
    *,
    site: Annotated[str | None, typer.Option("--site", help="The user's site; else that of the workspace.")] = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Give a user these roles instead of any before."""
    from deciface.consent import Role
    from deciface.store import Workspace

    try:
        chosen = {Role(role) for role in roles if role != "none"}
    except ValueError:
        raise OptionError(f"roles {', '.join(roles)}: allowed are {', '.join(Role)}, or none") from None
    with Workspace.open(workspace_folder(workspace)) as opened:
        now = opened.set_user(name, chosen, site)
    emit(_user(now), _in_words(now), json=json)


@app.command("consent")
def consent(
    patient: Annotated[str, typer.Argument(help="The patient's id.")],
    scopes: Annotated[
        str, typer.Argument(help="care; study; reference gallery; reader study; sharing:SITE; publication")
    ],
    *,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="End these consents instead of recording them.")] = False,
    text_version: Annotated[str, typer.Option("--text-version", help="Which version of the text was signed.")] = "",
    language: Annotated[str, typer.Option("--language", help="In which language, e.g. zh-Hant-TW.")] = "",
    signer: Annotated[str, typer.Option("--signer", help="patient, parent, guardian, other.")] = "unknown",
    date: Annotated[str | None, typer.Option("--date", help="Day of signature or withdrawal, YYYY-MM-DD.")] = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Record consents of a patient, or end them; withdrawing a consent stops that use, `deciface withdraw` erases."""
    from dataclasses import replace

    from deciface.cases import Signer
    from deciface.cli.cases import consents_of
    from deciface.store import Workspace

    try:
        day = dt.date.fromisoformat(date) if date else None
        signed_by = Signer(signer)
    except ValueError:
        raise OptionError(
            f"--date {date} --signer {signer}: a day is YYYY-MM-DD, a signer {', '.join(Signer)}"
        ) from None
    given = consents_of(scopes, text_version)
    with Workspace.open(workspace_folder(workspace)) as opened:
        if day and day > opened.clock().astimezone().date():
            raise OptionError(f"--date {date} is in the future; give the day of the signature or of the withdrawal")
        if withdraw:
            tell_of_models(opened, patient)
        for one in given:
            if withdraw:
                today = opened.clock().astimezone().date()
                opened.withdraw_consent(patient, one.scope, site=one.site, on=day or today)
            else:
                opened.record_consent(
                    patient, replace(one, language=language, signer=signed_by, signed_on=day, evidence="")
                )
        stored = opened.case(patient).consents
    emit(
        {
            "patient": patient,
            "consents": [
                {
                    "scope": str(c.scope),
                    "site": c.site,
                    "text_version": c.text_version,
                    "signed_on": c.signed_on.isoformat() if c.signed_on else None,
                    "withdrawn_on": c.withdrawn_on.isoformat() if c.withdrawn_on else None,
                }
                for c in stored
            ],
        },
        "\n".join(
            f"{c.scope}{f' ({c.site})' if c.site else ''}: "
            + (f"withdrawn on {c.withdrawn_on}" if c.withdrawn_on else f"signed {c.signed_on or 'on an unstated day'}")
            for c in stored
        ),
        json=json,
    )


@app.command("audit")
def audit(
    *,
    after: Annotated[
        int | None, typer.Option("--after", min=0, help="Go on behind this entry; the newest entries when left out.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many entries to print.")] = 100,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Print the newest entries of the audit trail, in order of time: who did what with which record, and when."""
    from dataclasses import asdict

    from deciface.store import Workspace

    with Workspace.open(workspace_folder(workspace)) as opened:
        entries, in_all = _page_of_trail(opened, after, limit)
    said = _where_in_trail([e.number for e in entries], in_all, limit)
    emit(
        {"entries": [{**asdict(e), "detail": dict(e.detail)} for e in entries], "entries_in_all": in_all},
        "\n".join([*(f"{e.number:6d} {e.at} {e.actor}: {e.action} {e.record} {e.detail}" for e in entries), said]),
        json=json,
    )


def _page_of_trail(opened: Workspace, after: int | None, limit: int) -> tuple[list[Entry], int]:
    """Entries behind a number, or the newest ones; and the number of the last entry of all."""
    newest: deque[Entry] = deque(maxlen=limit)
    in_all = 0
    while more := opened.trail(after=in_all, limit=_READ_AT_ONCE):
        newest.extend(more)
        in_all = more[-1].number
    return (list(newest) if after is None else list(opened.trail(after=after, limit=limit))), in_all


def _where_in_trail(shown: Sequence[int], in_all: int, limit: int) -> str:
    """Which part of the trail is shown, and how to see others."""
    if not shown:
        return f"no entry there; the trail has {in_all}"
    words = [f"entries {shown[0]} to {shown[-1]} of {in_all}"]
    if shown[0] > 1:
        words.append(f"older: --after {max(0, shown[0] - 1 - limit)} --limit {min(limit, shown[0] - 1)}")
    if shown[-1] < in_all:
        words.append(f"newer: --after {shown[-1]}")
    return "; ".join(words)


def withdraw(
    subject: Annotated[str, typer.Argument(help="Id of a patient or of a photo.")],
    *,
    kind: Annotated[str | None, typer.Option("--kind", help="patient or photo, where an id is both.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="Also write the certificate here.")] = None,
    workspace: WorkspaceFolder = None,
    json: Json = False,
) -> None:
    """Withdraw a patient or one photo: it is served no more, and everything derived from it is erased."""
    from deciface.store import Workspace
    from deciface.whole_files import write_whole

    with Workspace.open(workspace_folder(workspace)) as opened:
        what = kind or opened.kind_of(subject)
        if not yes and not sys.stdin.isatty():
            raise OptionError(f"nobody is there to confirm that {what} '{subject}' is erased for good; give --yes")
        if not yes:
            typer.confirm(f"erase {what} '{subject}' and everything derived from it, for good?", abort=True, err=True)
        done = opened.withdraw(what, subject)
    if certificate:
        write_whole(certificate, done.as_text().encode())
        note(f"certificate: {certificate}")
    emit(done.as_document(), done.as_text(), json=json)
