"""The clients of stock, mounted on a sandbox in process."""

from __future__ import annotations

from typing import Any

from clients_wire import a_clock

from ct_mao_sync.clients.commercetools_import import ImportClient
from ct_mao_sync.clients.commercetools_inventory import CommercetoolsInventoryClient
from ct_mao_sync.clients.http import HttpClient
from ct_mao_sync.clients.manhattan_inventory import ManhattanInventoryClient
from ct_mao_sync.clients.token import Grant, TokenSource, commercetools_grant, manhattan_grant
from ct_mao_sync.sandbox.adapter import SandboxAdapter
from ct_mao_sync.sandbox.core import ManualClock, Sandbox, SandboxSettings

SHOP, OMS = "http://127.0.0.1:1", "http://localhost:2"


class Tenants:
    """Both sides, and our clients for them."""

    def __init__(self, *, page_size: int = 100, items_max: int = 100, **settings: Any) -> None:
        self.clock = ManualClock()
        self.sandbox = Sandbox(seed=1, clock=self.clock, settings=SandboxSettings(**settings))
        self.world = self.sandbox.world
        shop = self._http(SHOP, "commercetools", commercetools_grant("sandbox-client", "sandbox-secret"))
        oms = self._http(
            OMS,
            "manhattan",
            manhattan_grant(
                "password", "omnicomponent.1.0.0", "sandbox-secret", "sync@acme", "sandbox-password"
            ),
        )
        self.entries = CommercetoolsInventoryClient(shop, "sandbox")
        self.imports = ImportClient(shop, "sandbox")
        self.oms = ManhattanInventoryClient(oms, "ACME", page_size=page_size, items_max=items_max)

    def _http(self, url: str, remote: str, grant: Grant) -> HttpClient:
        adapter = SandboxAdapter(self.sandbox, {"127.0.0.1": "commercetools", "localhost": "manhattan"})
        clock = a_clock()
        common: dict[str, Any] = {
            "base_url": url,
            "workers": 2,
            "timeout_s": 30,
            "retry_s": 120,
            "clock": clock,
            "adapter": adapter,
            "remote": remote,
        }
        tokens = TokenSource(http=HttpClient(**common, token=None), grant=grant, clock=clock)
        return HttpClient(**common, token=tokens)
