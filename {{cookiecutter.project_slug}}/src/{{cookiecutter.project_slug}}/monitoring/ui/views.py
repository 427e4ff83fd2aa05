# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The page: a table of all tasks, one of them in full, and a form for new ones."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ...core.config import PlatformSettings
from ...core.errors import ServiceError
from ...settings import Settings
from ..composition import open_monitoring, open_presets
from ..errors import InvalidTaskError
from ..presets import PresetsManager
from ..schemas import BrokenPreset, MonitoringTask, RunRecord
from ..service import MonitoringService
from .door import Door
from .form import task_form
from .rows import SPARKLINE_RUNS, change_row, overview, plain, run_row, short, state

# By name, because Streamlit is an extra: types are checked where it is not installed.
st: Any = importlib.import_module("streamlit")

T = TypeVar("T")
_BY = "page"


def show() -> None:
    """Show the page; Streamlit calls it for each click."""
    settings = _settings()
    st.set_page_config(page_title=f"Scheduled tasks: {settings.app_name}", layout="wide")
    if not _signed_in(settings):
        return
    title, out = st.columns([6, 1], vertical_alignment="bottom")
    title.title("Scheduled tasks")
    if out.button("Sign out"):
        del st.session_state["signed_in_until"]
        st.rerun()
    # Always there: what comes and goes above tabs would bring the first of them back.
    message = st.empty()
    said = st.session_state.pop("said", None)
    if said:
        message.success(plain(said))
    try:
        tasks, broken = _with_presets(settings, lambda presets: presets.all())
    except ServiceError as error:
        st.error(plain(error))
        return
    existing, new = st.tabs(["Tasks", "New task"])
    with existing:
        _show_tasks(settings, tasks, broken)
    with new:
        _show_new(settings)


def _settings() -> PlatformSettings:
    """Return the settings, read once for each start of the page."""

    def load() -> PlatformSettings:
        return Settings()

    found: PlatformSettings = st.cache_resource(load, show_spinner=False)()
    return found


def _door(settings: PlatformSettings) -> Door:
    """Return the one door of the page, which remembers wrong passwords of all sessions."""

    def make() -> Door:
        own = settings.monitoring
        password = own.ui_password.get_secret_value() if own.ui_password else ""
        return Door(password, attempts=own.ui_attempts, wait_s=own.ui_wait_s)

    found: Door = st.cache_resource(make, show_spinner=False)()
    return found


def _signed_in(settings: PlatformSettings) -> bool:
    """Ask for the password, unless this session has given it."""
    if st.session_state.get("signed_in_until", 0.0) > time.monotonic():
        return True
    if settings.monitoring.ui_password is None:
        st.error("No password is set, so the page is not shown.")
        return False
    _, middle, _ = st.columns([1, 1, 1])
    with middle.form("sign-in"):
        st.subheader("Scheduled tasks")
        given = st.text_input("Password", type="password")
        asked = st.form_submit_button("Sign in", type="primary")
    if not asked:
        return False
    door = _door(settings)
    if door.opens(given):
        st.session_state["signed_in_until"] = time.monotonic() + settings.monitoring.ui_session_s
        st.rerun()
    wait = door.wait_s()
    middle.error(
        f"Too many wrong passwords: wait {wait:.0f} seconds."
        if wait
        else "That is not the password."
    )
    return False


# --- working ---------------------------------------------------------------------------------------


def _with_presets(settings: PlatformSettings, work: Callable[[PresetsManager], Awaitable[T]]) -> T:
    async def session() -> T:
        async with open_presets(settings) as presets:
            return await work(presets)

    return asyncio.run(session())


def _with_service(
    settings: PlatformSettings, work: Callable[[MonitoringService], Awaitable[T]]
) -> T:
    async def session() -> T:
        async with open_monitoring(settings) as service:
            return await work(service)

    return asyncio.run(session())


def _do(said: str, work: Callable[[], object]) -> None:
    """Do something and show the page anew with what was done, or say why it could not be done."""
    try:
        work()
    except InvalidTaskError as error:
        st.error("\n".join(f"- {plain(problem)}" for problem in error.problems))
        return
    except ServiceError as error:
        st.error(plain(error))
        return
    st.session_state["said"] = said
    st.rerun()


# --- showing ---------------------------------------------------------------------------------------


def _show_tasks(
    settings: PlatformSettings, tasks: list[MonitoringTask], broken: list[BrokenPreset]
) -> None:
    """Show the table, and the task that is chosen."""
    notes = st.container()
    for preset in broken:
        problems = plain("; ".join(preset.problems))
        notes.error(f"{plain(preset.name or preset.id)} can't run as it is: {problems}")
    if not tasks:
        st.info("There are no tasks yet: make one under “New task”.")
        return

    async def runs_of_all(presets: PresetsManager) -> dict[str, list[RunRecord]]:
        return {task.id: await presets.runs(task.id, SPARKLINE_RUNS) for task in tasks}

    runs = _with_presets(settings, runs_of_all)
    st.dataframe(
        [overview(task, runs[task.id]) for task in tasks],
        hide_index=True,
        width="stretch",
        column_config={
            "Active": st.column_config.CheckboxColumn(width="small"),
            "History": st.column_config.BarChartColumn(
                help="The newest runs: low is good.", y_min=0, y_max=4, width="small"
            ),
            "Last result": st.column_config.TextColumn(width="large"),
        },
    )
    names = {task.id: task.name for task in tasks}
    chosen = st.selectbox(
        "Look at", list(names), format_func=lambda found: f"{names[found]} ({found})", key="chosen"
    )
    task = next(task for task in tasks if task.id == chosen)
    _show_task(settings, task, runs[task.id])


def _show_task(settings: PlatformSettings, task: MonitoringTask, runs: list[RunRecord]) -> None:
    """Show one task in full, with what can be done to it."""
    status, last, following, run, toggle, delete = st.columns(
        [2, 3, 3, 2, 2, 2], vertical_alignment="center"
    )
    status.metric("State", state(task.status))
    last.metric("Last run (UTC)", short(task.last_run))
    following.metric("Next run (UTC)", short(task.next_run) if task.active else "not active")
    if run.button("Run now", type="primary", key=f"run-{task.id}"):
        with st.spinner("Running…"):
            _do(f"{task.name} has run.", lambda: _with_service(settings, lambda s: s.run(task.id)))
    active = toggle.toggle("Active", task.active, key=f"active-{task.id}-{task.version}")
    if active is not task.active:
        said = f"{task.name} is {'active' if active else 'not active'}."
        _do(
            said,
            lambda: _with_presets(settings, lambda p: p.set_active(task.id, active=active, by=_BY)),
        )
    with delete.popover("Delete"):
        st.write("Its history stays.")
        if st.button("Delete for good", key=f"delete-{task.id}"):
            _do(
                f"{task.name} was deleted.",
                lambda: _with_presets(settings, lambda p: p.remove(task.id, by=_BY)),
            )
    notes = st.container()
    if task.problem:
        notes.error(plain(task.problem))
    if task.pending:
        waiting = sorted({name for notice in task.pending for name in notice.channels})
        notes.warning(f"Not told yet: {len(task.pending)}, by {plain(', '.join(waiting))}")
    _show_details(settings, task, runs)


def _show_details(settings: PlatformSettings, task: MonitoringTask, runs: list[RunRecord]) -> None:
    result, history, changes, edit = st.tabs(["Last result", "History", "Changes", "Edit"])
    with result:
        _show_result(runs)
    with history:
        st.dataframe([run_row(run) for run in runs], hide_index=True, width="stretch")
    with changes:
        found = _with_presets(settings, lambda presets: presets.changes(task.id))
        st.dataframe([change_row(change) for change in found], hide_index=True, width="stretch")
    with edit:
        fields = task_form(settings, f"edit-{task.id}-{task.version}", task)
        if st.button("Save", type="primary", disabled=fields is None, key=f"save-{task.id}"):
            _do(
                f"{fields['name']} was changed.",
                lambda: _with_presets(
                    settings, lambda p: p.edit(task.id, fields, by=_BY, version=task.version)
                ),
            )


def _show_result(runs: list[RunRecord]) -> None:
    """Show what the newest run found."""
    if not runs:
        st.info("It has not run yet.")
        return
    newest = runs[0]
    st.text(newest.summary)
    if newest.rows:
        st.dataframe(list(newest.rows), hide_index=True, width="stretch")
    if newest.facts is not None:
        with st.expander("What is compared"):
            st.json(newest.facts)


def _show_new(settings: PlatformSettings) -> None:
    """Show the form of a new task."""
    # Another number gives empty fields after a task was made.
    number = st.session_state.setdefault("made", 0)
    fields = task_form(settings, f"new-{number}")
    active = st.toggle("Active", value=True, key=f"new-active-{number}")
    if st.button("Create", type="primary", disabled=fields is None):

        def create() -> None:
            made = _with_presets(settings, lambda p: p.add(fields | {"active": active}, by=_BY))
            st.session_state["made"] = number + 1
            st.session_state["chosen"] = made.id

        _do(f"{fields['name']} was made.", create)
