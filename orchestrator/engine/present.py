"""What a worker works with: the house as its files say now, and what runs beside the pump of a worker that stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from orchestrator import telemetry
from orchestrator.engine.advance import House
from orchestrator.engine.measuring import Carrier
from orchestrator.engine.sweeping import Sweeper
from orchestrator.gate.credentials import Vault
from orchestrator.settings import Settings
from orchestrator.store.database import Store
from orchestrator.store.writer import Writer

if TYPE_CHECKING:
    from orchestrator.agents.models.registry import Models

Build: TypeAlias = "Callable[[Settings, telemetry.Exporter | None, Models | None, Vault], House]"


class PresentHouse:
    """The house as the files of policies, workflows and office say now; built anew when one of them has changed."""

    def __init__(self, settings: Settings, store: Store, models: Models | None, vault: Vault, build: Build) -> None:
        self._settings = settings
        self._sweeper = Sweeper(store, settings)
        self.carrier = Carrier(store, endpoint=settings.otlp_endpoint)
        self.exporter = telemetry.exporter(
            settings.otlp_endpoint, content=settings.telemetry_content, tenant=settings.tenant
        )
        self._models = models
        self._vault = vault
        self._build_with = build
        self._stamp = self._files()
        self._house = self._build()

    def house(self) -> House:
        """Costs a few `stat` calls while nothing has changed. A bundle that no longer loads stops the advance, which is tried again."""
        stamp = self._files()
        if stamp != self._stamp:
            self._house = self._build()
            self._stamp = stamp
        return self._house

    def _build(self) -> House:
        built = self._build_with(self._settings, self.exporter, self._models, self._vault)
        built.toolbox.close_when_unused()
        return replace(built, measures=self.carrier.measures)

    async def follow(self, writer: Writer, worker_id: str) -> None:
        """Until cancelled: reads the accounts that triggers are about, carries measures, forgets what has had its time."""
        from orchestrator.engine.around import accounts
        from orchestrator.engine.followers import Followers

        opened = accounts(self._vault, writer)
        following = Followers(writer, worker_id, lambda: self.house().toolbox, opened)
        await asyncio.gather(following.run(), self.carrier.run(), self._sweeper.run())

    async def close(self) -> None:
        if self._models is not None:
            await self._models.aclose()
        await asyncio.to_thread(self._house.toolbox.close)
        await asyncio.to_thread(self.carrier.close)

    def _files(self) -> list[tuple[str, int, int, int]]:
        """Name, inode, time and size of every file that the house is built from. The office's own file: its inode only."""
        found = []
        own = self._settings
        for folder in (own.policy_dir, own.workflow_folder, own.agents_folder, own.prompts_folder):
            for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else ():
                stat = path.stat()
                found.append((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size))
        if self._settings.office and self._settings.office_file.exists():
            found.append((str(self._settings.office_file), self._settings.office_file.stat().st_ino, 0, 0))
        return found
