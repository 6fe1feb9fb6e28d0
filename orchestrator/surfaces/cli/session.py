"""What the commands of one call share: settings, the front desk, output. Each part is made when it is first needed."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from orchestrator.errors import DeputyError, StoreUnavailable, UsageError
from orchestrator.surfaces.cli.output import Output

if TYPE_CHECKING:
    from datetime import datetime
    from datetime import time as time_of_day
    from pathlib import Path

    from orchestrator.deputy import Deputy
    from orchestrator.domain.principal import Principal
    from orchestrator.engine.prestart import Rule
    from orchestrator.settings import Settings
    from orchestrator.surfaces.cli.remote import RemoteDesk

MOST_LOST_WORKERS = 3
GIVES_WAY_WITHIN_S = 60.0  # a worker of other settings: it drains 20 s, then gives back what it still does
REPLACED = 75  # a worker's exit code when another has taken over: nothing is wrong


class Session:
    """One call of `deputy`. `flags` override every other source of settings."""

    def __init__(self, flags: Mapping[str, Any]) -> None:
        self.flags = dict(flags)
        self.output = Output(as_json=False)
        self._worker: int | None = None
        self._rule: Rule | None = None
        self._lost_workers = 0
        self._opened: Deputy | None = None

    @cached_property
    def settings(self) -> Settings:
        from orchestrator.settings import Settings

        return Settings.load(warn=lambda text: self.output.note(f"warning: {text}"), **self.flags)

    @cached_property
    def desk(self) -> Deputy:
        if self.is_remote:
            self._opened = self._remote
            return self._remote
        from orchestrator import app

        self._opened = app.desk(self.settings)
        return self._opened

    @property
    def is_remote(self) -> bool:
        """Whether commands speak to a server instead of the store."""
        return self.settings.url is not None

    @cached_property
    def _remote(self) -> RemoteDesk:
        from orchestrator.surfaces.cli.remote import RemoteDesk

        token = self.settings.token
        return RemoteDesk(self.settings.url or "", token.get_secret_value() if token is not None else None)

    def needs_store(self, command: str) -> None:
        """UsageError where a server is set: the command is about what lies on this machine."""
        from orchestrator.settings import Settings

        try:
            settings = Settings.load(warn=lambda _: None, **self.flags)
        except DeputyError:
            return  # the command tells of it in its own way
        if settings.url is not None:
            raise UsageError(
                f"deputy {command} is for the machine with the store, and a server is set ({settings.origin('url')})",
                fix="run it there, or unset DEPUTY_URL",
            )

    def close(self) -> None:
        """Lets go of the store, if it was opened."""
        if self._opened is not None:
            self._opened.close()
        if self._rule is not None:
            self._rule.close()

    def who(self, name: str | None = None) -> Principal:
        if self.is_remote:
            return self._remote.speaker(name)
        from orchestrator.surfaces import identity

        return identity.at_the_terminal(self.desk, name)

    def zone(self, who: Principal) -> str:
        from orchestrator.surfaces import identity

        return identity.zone_of(self.desk, who)

    def moment(self, text: str | None, who: Principal, *, day_means: time_of_day | None = None) -> datetime | None:
        """A time as the speaker typed it; None stays None."""
        if text is None:
            return None
        from orchestrator import clock
        from orchestrator.surfaces.cli import times

        return times.parse(text, now=clock.now(), zone=self.zone(who), day_means=day_means or times.EVENING)

    def start_early(self) -> None:
        """Lets a worker load while this process still does; only where everything it needs is there already.

        A worker that another command's settings started gives way first: what is submitted next is for ours. Raises
        StoreUnavailable when it does not. The office's clock file is written when its seed has committed: one `stat` tells.
        """
        settings = self.settings
        if self.is_remote:
            return
        file = settings.store_url.partition("sqlite:///")[2]
        if not file or not os.path.exists(file):
            return
        from pathlib import Path

        from orchestrator.engine import prestart

        lock = Path(file).with_name(prestart.LOCK_NAME)
        self._rule = prestart.Rule(lock.parent, prestart.digest_of(settings.model_dump()))
        self._rule.set()
        self._wait_for_way(lock, self._rule.digest)
        if settings.office and not os.path.exists(f"{settings.office_file}.clock"):
            return
        self._worker = prestart.start(lock, settings.as_environment(), settings.home / "worker.log", self._rule)

    def _wait_for_way(self, lock: Path, digest: str) -> None:
        from orchestrator.engine import prestart

        told = False
        began_s = time.monotonic()
        while prestart.is_in_the_way(lock, digest):
            if (passed_s := time.monotonic() - began_s) > GIVES_WAY_WITHIN_S:
                raise StoreUnavailable(
                    "a worker started by other settings is still at work; nothing was submitted",
                    fix="ask again when its work is done; see: deputy work ls",
                )
            if passed_s > 2 and not told:
                told = True
                self.output.note("waiting for a worker that was started by other settings")
            time.sleep(0.05)

    def keep_going(self) -> None:
        """Starts a worker host where there is work and nobody holds the host lock; cheap, so followers call it at each poll.

        Raises StoreUnavailable when workers end badly again and again: following would wait for ever.
        """
        if self.is_remote:
            return
        if self._worker is not None:
            code = _exit_code(self._worker)
            if code is None:
                return
            self._lost_workers = self._lost_workers + 1 if code not in (0, REPLACED) else 0
            if self._lost_workers >= MOST_LOST_WORKERS:
                raise StoreUnavailable(
                    f"the worker ended {self._lost_workers} times with exit code {code}; the work is kept",
                    fix=f"look at {self.settings.home / 'worker.log'}, then: deputy doctor",
                )
        from orchestrator import app

        self._worker = app.ensure_worker(self.settings, self._rule)


def _exit_code(pid: int) -> int | None:
    """None while a process we started still runs; 0 where its end was noticed elsewhere."""
    try:
        done, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status) if done else None
