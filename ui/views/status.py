"""The page of the server's state: ready or not, speed, memory, what waits, what went wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from ui.errors import UiError
from ui.format import (
    commands_markdown,
    duration_text,
    error_text,
    plain_html,
    plain_markdown,
    size_text,
    when_text,
)
from ui.login import may, show_rights
from ui.models_metrics import Figures
from ui.models_shapes import Machine
from ui.shapes import Job
from ui.state import api_url, session, token
from ui.status_client import StatusClient
from ui.status_figures import (
    Sample,
    added,
    by_route,
    medians,
    quantile,
    rates,
    recent,
    sample_of,
    seconds_short,
    tile_html,
    tiles_html,
)
from ui.status_shapes import Finding, Health, LogLine
from ui.told import worded
from ui.views.keys import keys
from ui.widgets import nothing, show_error, show_notices
from ui.words import Words

_POLL_S = 5.0
_ICONS = {"ok": ":green[:material/check_circle:]", "warning": ":orange[:material/warning:]"}
_ERROR = ":red[:material/error:]"
_FOUND = "doctor_found"  # in the session: what the doctor found last


def show() -> None:
    """Draw the page."""
    words = session().words
    st.title(words("status_title"), anchor=False)
    try:
        with StatusClient(api_url(), token()) as client:
            health, logs = client.health(), client.logs()
    except UiError as error:
        show_error(error, words, key="retry_status", retry=nothing)
        return
    show_rights(words)
    # Boxes of their own: what comes or goes in one would make those below start anew, and a click
    # that is on its way to them would be lost.
    with st.container():
        show_notices(health.notices, words)
    st.fragment(run_every=_POLL_S)(_now)(words)
    with st.container():
        if logs is not None:
            _logs(logs, words)
    if may("admin", is_whole=True):
        st.fragment(_doctor)(words)
        st.fragment(keys)(words)


def _now(words: Words) -> None:
    """Draw how it is now; drawn anew every few seconds."""
    try:
        with StatusClient(api_url(), token()) as client:
            health, figures, machine = client.health(), client.figures(), client.machine()
            running = client.running_jobs()
    except UiError as error:
        st.error(error_text(error, words), icon=":material/cloud_off:")
        return
    _health(health, words)
    if not may("read", is_whole=True):
        return
    rate = sum(one.passages_per_s for one in running)
    sample = sample_of(figures, time.monotonic(), passages_per_s=rate)
    samples = added(st.session_state.get("status_samples", []), sample)
    st.session_state["status_samples"] = samples
    st.html(tiles_html(_tiles(samples, health, machine, words)))
    st.caption(words("status_live", n=round(_POLL_S)))
    with st.container():
        _jobs(running)
    with st.expander(words("routes_title"), icon=":material/speed:", key="routes"):
        _routes(figures, words)


def _health(health: Health, words: Words) -> None:
    if health.ready:
        st.markdown(f":green[:material/check_circle:] {words('status_ready')}")
    else:
        reason = health.reason or words("status_unknown_reason")
        st.error(
            words("status_not_ready", reason=plain_markdown(reason, 400)), icon=":material/error:"
        )
    st.caption(
        words(
            "status_line",
            version=plain_markdown(health.version, 40),
            time=duration_text(health.uptime_s, words),
            documents=f"{health.n_documents:,}",
            passages=f"{health.n_chunks:,}",
        )
    )


def _tiles(samples: Sequence[Sample], health: Health, machine: Machine, words: Words) -> list[str]:
    last = samples[-1]
    tokens = rates(samples, "n_tokens")
    requests = [60 * one for one in rates(samples, "n_requests")]
    held = recent(samples)
    tiles = [
        tile_html(
            words("tile_tokens"),
            words("tile_tokens_value", n=f"{tokens[-1]:.1f}"),
            words("tile_busy", busy=round(last.n_busy), slots=round(last.n_slots)),
            tokens,
        ),
        tile_html(
            words("tile_queue"),
            f"{last.n_waiting:.0f}",
            words("tile_queue_more", n=max(0, round(last.n_http) - 1)),  # one of them is ours
            [one.n_waiting for one in samples],
        ),
        tile_html(
            words("tile_requests"),
            words("tile_requests_value", n=f"{requests[-1]:.0f}"),
            words("tile_requests_more", n=f"{last.n_requests:,.0f}"),
            requests,
        ),
        tile_html(
            words("tile_latency"),
            seconds_short(quantile(held, 0.5)),
            words("tile_latency_more", p95=seconds_short(quantile(held, 0.95))),
            medians(samples),
        ),
        tile_html(
            words("tile_passages"),
            words("tile_passages_value", n=f"{last.passages_per_s:.1f}"),
            words("tile_jobs", running=health.n_running, queued=health.n_queued),
            [one.passages_per_s for one in samples],
        ),
        tile_html(
            words("tile_process"),
            size_text(round(last.process_bytes)),
            words("tile_process_more", size=size_text(machine.memory_free_bytes)),
            [one.process_bytes for one in samples],
        ),
        tile_html(
            words("tile_models"),
            size_text(round(last.models_bytes)),
            words("tile_cache", size=size_text(round(last.cache_bytes))),
            [one.models_bytes for one in samples],
        ),
    ]
    if machine.disk_bytes:
        tiles.append(
            tile_html(
                words("tile_disk"),
                words("tile_disk_value", size=size_text(machine.disk_free_bytes)),
                words("tile_disk_more", size=size_text(machine.models_bytes)),
                share=1 - machine.disk_free_bytes / machine.disk_bytes,
            )
        )
    return tiles


def _jobs(running: Sequence[Job]) -> None:
    for one in running:
        name = plain_markdown(one.message or one.collection, 120)
        st.progress(min(1.0, max(0.0, one.progress)), text=name)


def _routes(figures: Figures, words: Words) -> None:
    rows = by_route(figures)
    if not rows:
        st.caption(words("routes_none"))
        return
    names = ("route", "route_n", "route_failed", "route_p50", "route_p95")
    head = "".join(f"<th>{plain_html(words(one))}</th>" for one in names)
    body = "".join(
        f"<tr><td>{plain_html(one.route, 80)}</td><td>{one.n:,}</td><td>{one.n_failed:,}</td>"
        f"<td>{seconds_short(one.p50_s)}</td><td>{seconds_short(one.p95_s)}</td></tr>"
        for one in rows
    )
    st.html(
        f'<div style="overflow-x:auto"><table class="q-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _logs(logs: Sequence[LogLine], words: Words) -> None:
    st.subheader(words("logs_title"), anchor=False)
    if not logs:
        st.caption(words("logs_none"))
    else:
        rows = "".join(_log_html(one, words) for one in logs)
        st.html(f'<div class="q-box" style="max-height:20rem">{rows}</div>')
    st.button(words("logs_refresh"), key="logs_refresh", icon=":material/refresh:", type="tertiary")


def _log_html(line: LogLine, words: Words) -> str:
    color = "light-dark(#a33a1d,#f0a58f)" if line.is_error else "light-dark(#7a5200,#e6c06a)"
    times = f" · {words('logs_repeated', n=line.n)}" if line.n > 1 else ""
    head = f"{when_text(line.at)} · {line.source}{times}"
    return (
        f'<div style="margin-bottom:.45rem;overflow-wrap:anywhere;unicode-bidi:plaintext">'
        f'<span style="color:{color};font-weight:600">{plain_html(line.level, 12)}</span> '
        f'<span class="q-muted">{plain_html(head, 160)}</span>'
        f"<div>{plain_html(line.text, 600)}</div></div>"
    )


def _doctor(words: Words) -> None:
    """Draw the doctor, and what was found last; a press draws only this part anew."""
    st.subheader(words("doctor_title"), anchor=False)
    st.caption(words("doctor_hint"))
    if st.button(words("doctor_run"), key="doctor", icon=":material/stethoscope:"):
        try:
            with st.spinner(words("doctor_looking")), StatusClient(api_url(), token()) as client:
                st.session_state[_FOUND] = client.findings()
        except UiError as error:
            st.session_state.pop(_FOUND, None)
            st.error(error_text(error, words))
            return
    if _FOUND not in st.session_state:
        return
    found = st.session_state[_FOUND]
    if found is None:
        st.info(words("doctor_none"), icon=":material/terminal:")
        return
    _findings(found, words)


def _findings(found: Sequence[Finding], words: Words) -> None:
    levels = [one.level for one in found]
    n_errors, n_warnings = levels.count("error"), levels.count("warning")
    if n_errors + n_warnings == 0:
        st.success(words("doctor_fine"), icon=":material/check_circle:")
    else:
        st.markdown(f"**{words('doctor_counts', errors=n_errors, warnings=n_warnings)}**")
    for one in [one for one in found if one.level != "ok"]:
        icon = _ICONS.get(one.level, _ERROR)
        what, cure = worded(one.what, one.cure, one.code, one.values, words)
        with st.container(gap="xxsmall"):
            st.markdown(f"{icon} {commands_markdown(what, 300)}")
            if cure:
                st.caption(commands_markdown(cure))
    fine = [one for one in found if one.level == "ok"]
    if fine:
        with st.expander(words("doctor_all", n=len(fine)), key="doctor_all"):
            for one in fine:
                what, _ = worded(one.what, one.cure, one.code, one.values, words)
                st.caption(f"{_ICONS['ok']} {commands_markdown(what, 300)}")
