"""`quire doctor`: what is wrong here, what to do about it."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from app.cli.documents import JsonOption
from app.cli.session import settings_of

_SIGNS = {"ok": "ok  ", "warn": "note", "bad": "BAD "}


def doctor(as_json: JsonOption = False) -> None:
    """Examine this machine, the settings, the models, the data."""
    from app.doctor import examine

    findings = examine(settings_of())
    if as_json:
        print(json.dumps([asdict(one) for one in findings], ensure_ascii=False))
    else:
        for one in findings:
            print(f"{_SIGNS[one.level]}  {one.what}")
            if one.cure:
                print(f"      → {one.cure}")
    if any(one.level == "bad" for one in findings):
        raise typer.Exit(1)
