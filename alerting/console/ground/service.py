"""What every request shares: catalog, plans, roster, floods, kept up to date.  A shell."""

import asyncio
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined

from alerting.board.service import Overview
from alerting.book import store as book
from alerting.console.visit import Site
from alerting.exchange import store as exchange
from alerting.house.service import House
from alerting.notices import Wording
from alerting.people.paging import Paging
from alerting.topology import Topology
from lifeline.catalog import Catalog
from lifeline.config import ConfigError, Settings
from lifeline.db import Database

Log = structlog.stdlib.BoundLogger
LOOK_S = 1.0


def make_site(settings: Settings, catalog: Catalog, house: House | None = None) -> Site:
    """What every request shares; raises ConfigError, and CatalogError for plans or rules."""
    templates = Environment(
        loader=PackageLoader("alerting.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    try:
        zone = ZoneInfo(settings.console.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"console.timezone {settings.console.timezone!r} is not known:"
            " write one like Asia/Shanghai."
        ) from error
    rules = book.read_rules(settings.router)
    wording = Wording(
        catalog,
        settings.router,
        policy=book.policy(settings, catalog, rules),
        tables=exchange.read_tables(settings.exchange),
    )
    return Site(
        settings,
        catalog,
        templates,
        zone,
        wording if house is None else house.wording,
        Topology(catalog),
        book=book.read_book(settings.router),
        weights=rules.risk,
    )


class Ground:
    """The site as it is now; each request takes it once and ends with what it began with."""

    def __init__(self, site: Site, log: Log, house: House | None = None) -> None:
        self.site, self._log, self._house = site, log, house
        self.overview = Overview(site.catalog, site.weights, lambda: self.site.roster, log)
        self.look()

    @property
    def paging(self) -> Paging | None:
        """How somebody is called in by hand."""
        return None if self._house is None else self._house.duty.paging

    def renew(self, catalog: Catalog) -> None:
        """Goes on with another catalog."""
        wording = replace(self.site.wording, catalog=catalog, _assets={})
        topology = Topology(catalog)
        self.site = replace(self.site, catalog=catalog, wording=wording, topology=topology)
        self.overview.renew(catalog)
        self._log.info("catalog taken over", catalog=catalog.digest)

    def look(self) -> None:
        """Takes over what the house knows by now, and the floods."""
        house = self._house
        if house is not None:
            if house.catalog is not self.site.catalog:
                self.renew(house.catalog)
            self.site = replace(self.site, roster=house.roster, wording=house.wording)
        self.site = replace(self.site, floods=self.overview.floods)

    async def run(self, database: Database) -> None:
        """Keeps everything up to date, for ever."""
        assert self._house is not None
        await asyncio.gather(
            self._house.watch(database, self.look),
            self._reload(),
            self.overview.run(database),
        )

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self._house is not None:
                self._house.duty.reload()
            self.look()
