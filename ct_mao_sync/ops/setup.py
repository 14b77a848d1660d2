"""What the configured jobs need in commercetools, and what of it is missing.

Only ever adds: a channel, a role, a state, a transition, a type, a field. Nothing is renamed or removed, and
what is there and fits is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from ct_mao_sync.clients.commercetools_setup import CommercetoolsSetupClient
from ct_mao_sync.config import Config
from ct_mao_sync.config_sections import Milestone
from ct_mao_sync.errors import Problem, RunStopped, VersionConflict

TRIES_MAX = 5
MILESTONES = get_args(Milestone)
_STATE_TYPE_WORDS = {"LineItemState": "line item state", "OrderState": "order state"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resource that a job relies on. `why`: the key of the configuration that names it."""

    resource: str
    """"channels", "states" or "types"."""
    key: str
    why: str
    role: str = ""
    """Of a channel."""
    state_type: str = ""
    """Of a state: LineItemState or OrderState."""
    of_resource: str = ""
    """Of a type: what its fields are for."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Of a type: name -> kind of field."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `id` "" = a creation, and `body` its draft; else `body` are update actions."""

    resource: str
    key: str
    what: str
    why: str
    body: Any
    id: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class SetupPlan:
    steps: Sequence[Step] = ()
    conflicts: Sequence[Problem] = ()
    """What is there and cannot be what is wanted; a person has to choose another key."""


def wanted_resources(config: Config, jobs: Collection[str]) -> list[Wanted]:
    """Of the jobs that are on. Roles, state types and kinds of fields: commercetools docs, Channels, States,
    Types."""
    found: list[Wanted] = []
    if "orders" in jobs and config.orders.sync_channel:
        found.append(
            Wanted("channels", config.orders.sync_channel, "orders.sync_channel", role="OrderExport")
        )
    if "inventory" in jobs and "location" in config.inventory.modes:
        found += [
            Wanted("channels", key, f'mapping.locations."{place}"', role="InventorySupply")
            for place, key in config.mapping.locations.items()
            if key
        ]
    if "inventory" in jobs and config.inventory.counters_type:
        found.append(
            Wanted(
                "types",
                config.inventory.counters_type,
                "inventory.counters_type",
                of_resource="inventory-entry",
                fields=dict.fromkeys(config.inventory.counters.values(), "Number"),
            )
        )
    if "status" in jobs:
        found += [
            Wanted("states", key, f"status.line_states.{milestone}", state_type="LineItemState")
            for milestone, key in sorted(
                config.status.line_states.items(), key=lambda item: MILESTONES.index(item[0])
            )
        ]
        found += [
            Wanted("states", key, f"status.workflow_states.{reached}", state_type="OrderState")
            for reached, key in config.status.workflow_states.items()
        ]
    if "status" in jobs and config.status.delivery_type:
        found.append(
            Wanted(
                "types",
                config.status.delivery_type,
                "status.delivery_type",
                of_resource="order-delivery",
                fields=dict.fromkeys(config.status.delivery_fields.values(), "String"),
            )
        )
    if "returns" in jobs and config.returns.item_type:
        fields = {
            field_name: "Money" if value == "amount" else "String"
            for value, field_name in config.returns.item_fields.items()
        }
        found.append(
            Wanted(
                "types",
                config.returns.item_type,
                "returns.item_type",
                of_resource="order-return-item",
                fields=fields,
            )
        )
    once = {(each.resource, each.key, each.role, each.of_resource): each for each in reversed(found)}
    return list(once.values())[::-1]


def plan_setup(wanted: Sequence[Wanted], present: Mapping[tuple[str, str], Mapping[str, Any]]) -> SetupPlan:
    """Pure. `present`: (resource, key) -> what commercetools has; with ("states", "Initial"), the built-in
    state, where line states are wanted."""
    steps: list[Step] = []
    conflicts: list[Problem] = []
    for each in wanted:
        row = present.get((each.resource, each.key))
        if row is None:
            steps.append(_creation(each))
            continue
        step, conflict = _completion(each, row)
        steps += [step] if step else []
        conflicts += [conflict] if conflict else []
    steps += _transitions(wanted, present)
    return SetupPlan(_joined(steps), conflicts)


def read_present(
    client: CommercetoolsSetupClient, wanted: Sequence[Wanted]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """One request per kind of resource."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for resource in dict.fromkeys(each.resource for each in wanted):
        keys = [each.key for each in wanted if each.resource == resource]
        found |= {(resource, row["key"]): row for row in client.read_by_keys(resource, keys)}
    if any(each.state_type == "LineItemState" for each in wanted):
        initial = client.read_initial_line_item_state()
        if initial is not None:
            found["states", "Initial"] = initial
    return found


def apply_setup(client: CommercetoolsSetupClient, wanted: Sequence[Wanted]) -> list[Step]:
    """Makes what is missing, and returns what was made. Each step is planned on what is there by then, so it
    may be called again after any failure. Raises VersionConflict when others keep changing the same."""
    done: list[Step] = []
    conflicts = 0
    while True:
        plan = plan_setup(wanted, read_present(client, wanted))
        if plan.conflicts:
            raise RunStopped(plan.conflicts[0])
        if not plan.steps:
            return done
        try:
            for step in plan.steps:
                if step.id:
                    client.update(step.resource, step.id, step.version, step.body)
                else:
                    client.create(step.resource, step.body)
                done.append(step)
        except VersionConflict:
            conflicts += 1
            if conflicts == TRIES_MAX:
                raise


def _creation(each: Wanted) -> Step:
    if each.resource == "channels":
        what = f"channel {each.key} with role {each.role}"
        draft: dict[str, Any] = {"key": each.key, "roles": [each.role]}
    elif each.resource == "states":
        kind = _STATE_TYPE_WORDS[each.state_type]
        # Without transitions every one is allowed (commercetools docs, States).
        what = f"{kind} {each.key}"
        draft = {"key": each.key, "type": each.state_type}
        if each.state_type == "OrderState":
            draft["initial"] = True  # an order without a state can only come to one that is
    else:
        what = f"type {each.key} for {each.of_resource} with {_listed(each.fields)}"
        draft = {
            "key": each.key,
            "name": {"en": each.key},
            "resourceTypeIds": [each.of_resource],
            "fieldDefinitions": [_field(name, kind) for name, kind in each.fields.items()],
        }
    return Step(each.resource, each.key, f"create {what}", each.why, draft)


def _completion(each: Wanted, row: Mapping[str, Any]) -> tuple[Step | None, Problem | None]:
    def step(what: str, actions: list[dict[str, Any]]) -> tuple[Step, None]:
        return Step(each.resource, each.key, what, each.why, actions, row["id"], row["version"]), None

    if each.resource == "channels":
        if each.role in row.get("roles", ()):
            return None, None
        return step(
            f"add role {each.role} to channel {each.key}", [{"action": "addRoles", "roles": [each.role]}]
        )
    if each.resource == "states":
        if row.get("type") == each.state_type:
            return None, None
        return None, _conflict(each, f"is of type {row.get('type')}; it must be {each.state_type}")
    if each.of_resource not in row.get("resourceTypeIds", ()):
        return None, _conflict(
            each, f"is not for {each.of_resource}, and what a Type is for cannot be changed"
        )
    there = {each["name"]: each["type"]["name"] for each in row.get("fieldDefinitions", ())}
    for name, kind in each.fields.items():
        if there.get(name, kind) != kind:
            return None, _conflict(each, f"has a field {name} of type {there[name]}; it must be {kind}")
    missing = {name: kind for name, kind in each.fields.items() if name not in there}
    if not missing:
        return None, None
    actions = [
        {"action": "addFieldDefinition", "fieldDefinition": _field(name, kind)}
        for name, kind in missing.items()
    ]
    return step(f"add {_listed(missing)} to type {each.key}", actions)


def _transitions(
    wanted: Sequence[Wanted], present: Mapping[tuple[str, str], Mapping[str, Any]]
) -> list[Step]:
    """A state that lists its transitions allows no others: from Initial and from each of ours a unit must
    come to the ones that follow it as the milestones go."""
    ours = list({e.key: e for e in wanted if e.state_type == "LineItemState"}.values())
    steps = []
    for position, each in enumerate([Wanted("states", "Initial", ""), *ours]):
        row = present.get(("states", each.key))
        if row is None or row.get("transitions") is None or row.get("type") != "LineItemState":
            continue
        allowed = {reference["id"] for reference in row["transitions"]}
        following = ours[position:]
        missing = [
            other
            for other in following
            if other.key != each.key
            and ((there := present.get(("states", other.key))) is None or there["id"] not in allowed)
        ]
        if not missing:
            continue
        names = ", ".join(other.key for other in missing)
        transitions = [
            *({"typeId": "state", "id": id} for id in sorted(allowed)),
            *({"typeId": "state", "key": other.key} for other in missing),
        ]
        steps.append(
            Step(
                "states",
                each.key,
                f"allow the transition from line item state {each.key} to {names}",
                missing[0].why,
                [{"action": "setTransitions", "transitions": transitions}],
                row["id"],
                row["version"],
            )
        )
    return steps


def _joined(steps: Sequence[Step]) -> list[Step]:
    """Two roles for one channel that is not there, or two kinds for one Type, are one creation; two updates
    of one resource are one."""
    joined: dict[tuple[str, str], Step] = {}
    for step in steps:
        known = joined.get((step.resource, step.key))
        if known is None:
            joined[step.resource, step.key] = step
        elif step.id:
            what = f"{known.what}; {step.what}"
            joined[step.resource, step.key] = Step(
                step.resource, step.key, what, known.why, [*known.body, *step.body], step.id, step.version
            )
        elif step.resource == "channels":
            roles = list(dict.fromkeys([*known.body["roles"], *step.body["roles"]]))
            what = f"create channel {step.key} with roles {', '.join(roles)}"
            joined[step.resource, step.key] = Step(
                step.resource, step.key, what, known.why, {**known.body, "roles": roles}
            )
        elif step.resource == "types":
            # What a Type is for cannot be changed later.
            kinds = [*known.body["resourceTypeIds"], *step.body["resourceTypeIds"]]
            fields = {
                each["name"]: each
                for each in (*step.body["fieldDefinitions"], *known.body["fieldDefinitions"])
            }
            what = f"{known.what}, and for {step.body['resourceTypeIds'][0]}"
            joined[step.resource, step.key] = Step(
                step.resource,
                step.key,
                what,
                known.why,
                {**known.body, "resourceTypeIds": kinds, "fieldDefinitions": list(fields.values())},
            )
    return list(joined.values())


def _conflict(each: Wanted, what: str) -> Problem:
    return Problem(
        "config-invalid",
        f"{each.why}: {each.resource[:-1]} {each.key!r} of commercetools {what}",
        each.why,
        f"name another key in {each.why}, or change it in commercetools",
    )


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "label": {"en": name}, "required": False, "type": {"name": kind}}


def _listed(fields: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in fields.items()) or "no fields"
