"""Reading the parent orders of returns, on both sides, a page at a time.

MAO's parent tells which order of the shop it is (AlternateOrderId), which line is which, and what was
shipped; the shop's order tells what is there. Both searches may lag: whatever would be refused on their word,
or is not found, is read again by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ct_mao_sync.clients.commercetools import CommercetoolsClient
from ct_mao_sync.clients.manhattan import ManhattanClient
from ct_mao_sync.clients.manhattan_calls import is_queryable
from ct_mao_sync.mapping.return_order import ReturnRules, WantedReturn
from ct_mao_sync.mapping.return_place import PARENT_TEMPLATE
from ct_mao_sync.mapping.return_plan import ReturnBase, ReturnTarget, plan_return
from ct_mao_sync.mapping.return_problems import CONFIRM_FIRST
from ct_mao_sync.mapping.return_shop import parse_shop_order
from ct_mao_sync.mapping.shop_id import is_shop_id

Row = Mapping[str, Any]


class ReturnTargets:
    def __init__(
        self, commercetools: CommercetoolsClient, manhattan: ManhattanClient, rules: ReturnRules
    ) -> None:
        self._commercetools = commercetools
        self._manhattan = manhattan
        self._rules = rules
        self._type_id: str | None = None

    def read(
        self, wanted: Sequence[WantedReturn], bases: Mapping[str, ReturnBase]
    ) -> dict[str, ReturnTarget]:
        """One search in MAO and one query in the shop for all, then by id what that leaves open."""
        parent_ids = list(dict.fromkeys(each.parent_id for each in wanted))
        searchable = [parent_id for parent_id in parent_ids if is_queryable(parent_id)]
        parents: dict[str, Row | None] = {
            str(row.get("OrderId")): row
            for row in self._manhattan.read_orders_by_ids(searchable, PARENT_TEMPLATE)
        }
        for parent_id in parent_ids:
            if parent_id not in parents:
                parents[parent_id] = self._read_parent(parent_id)
        order_ids = [shop_id_of(parent) for parent in parents.values() if parent is not None]
        documents = self._read_documents([order_id for order_id in order_ids if order_id])
        targets: dict[str, ReturnTarget] = {}
        for each in wanted:
            parent = parents[each.parent_id]
            target = self._target(parent, documents.get(shop_id_of(parent)))
            planned = plan_return(each, target, bases.get(each.entity) or ReturnBase(), self._rules)
            if any(problem.code in CONFIRM_FIRST for problem in planned.problems):
                target = self.read_again(each)
            targets[each.entity] = target
        return targets

    def read_again(self, wanted: WantedReturn) -> ReturnTarget:
        """By id on both sides: the present state."""
        parent = self._read_parent(wanted.parent_id)
        order_id = shop_id_of(parent)
        return self._target(parent, self._commercetools.read_order(order_id) if order_id else None)

    def after(self, target: ReturnTarget, document: Row) -> ReturnTarget:
        """The target as an update of ours left it."""
        return self._target(target.parent, document)

    def _target(self, parent: Row | None, document: Row | None) -> ReturnTarget:
        order = parse_shop_order(document) if document is not None else None
        return ReturnTarget(
            parent,
            shop_id_of(parent),
            order,
            malformed=document is not None and order is None,
            type_id=self._resolve_type() if order and self._rules.item_type else "",
        )

    def _read_parent(self, parent_id: str) -> Row | None:
        """Also from the archive: a return can come after its order went there."""
        return self._manhattan.read_order(parent_id) or self._manhattan.read_archived_order(parent_id)

    def _read_documents(self, order_ids: Iterable[str]) -> dict[str, Row]:
        wanted = list(dict.fromkeys(order_ids))
        if not wanted:
            return {}
        return {str(row["id"]): row for row in self._commercetools.read_orders_by_ids(wanted)}

    def _resolve_type(self) -> str:
        """The id of the Type, asked for once; "" when there is none with that key."""
        if self._type_id is None:
            found = self._commercetools.read_type_by_key(self._rules.item_type)
            self._type_id = str(found["id"]) if found else ""
        return self._type_id


def shop_id_of(parent: Row | None) -> str:
    """The commercetools order id of a MAO order; "" for an order of somebody else."""
    own = str((parent or {}).get("AlternateOrderId") or "")
    return own if is_shop_id(own) else ""
