# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Export for a SIEM: OCSF events in CloudEvents, one JSON object per line.

Standards: CloudEvents 1.0 (structured JSON), OCSF 1.9 with the classes that actions name (`OCSF_CLASSES`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from .actions import OCSF_CLASSES, Action, OcsfClass

OCSF_VERSION = "1.9.0"

_STATUS = {"success": (1, "Success"), "failure": (2, "Failure"), "denied": (2, "Failure")}
_SEVERITY = {"success": (1, "Informational"), "failure": (2, "Low"), "denied": (3, "Medium")}


def cloud_event(
    shown: dict[str, Any], action: Action | None, *, source: str, seq: int | None
) -> dict[str, Any]:
    """Return an event for export.

    Args:
        shown: The event as `RecordCodec.decode` shows it.
        action: Its action, when it is registered.
        source: The log's origin.
        seq: Its sequence number.
    """
    return {
        "specversion": "1.0",
        "id": shown["id"],
        "source": source,
        "type": f"audit.{shown['action']}",
        "time": shown["time"],
        "subject": ":".join(filter(None, (shown["target"]["kind"], shown["target"].get("id")))),
        "datacontenttype": "application/json",
        "data": _ocsf(shown, action, source, seq),
    }


def _ocsf(
    shown: dict[str, Any], action: Action | None, source: str, seq: int | None
) -> dict[str, Any]:
    mapped = action.ocsf if action is not None else OcsfClass()
    name, category, category_name = OCSF_CLASSES[mapped.uid]
    status_id, status = _STATUS[shown["outcome"]]
    severity_id, severity = _SEVERITY[shown["outcome"]]
    moment = datetime.fromisoformat(shown["time"])
    metadata = {
        "version": OCSF_VERSION,
        "product": {"name": source, "vendor_name": "Slipway"},
        "uid": shown["id"],
        "correlation_uid": shown.get("request_id"),
        "trace_uid": shown.get("trace_id"),
        "sequence": seq,
        "labels": [f"class:{shown['class']}", f"retention:{shown['retention']}"],
    }
    event = {
        "category_uid": category,
        "category_name": category_name,
        "class_uid": mapped.uid,
        "class_name": name,
        "activity_id": mapped.activity,
        "activity_name": shown["action"],
        "type_uid": mapped.uid * 100 + mapped.activity,
        "time": int(moment.timestamp() * 1000),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "status_detail": shown["outcome"],
        "message": shown.get("reason") or (action.title if action else shown["action"]),
        "actor": _actor(shown["actor"]),
        "src_endpoint": {"ip": shown["actor"].get("address") or "0.0.0.0"},  # noqa: S104  # nothing listens: OCSF requires the field
        "metadata": {key: value for key, value in metadata.items() if value is not None},
        "unmapped": {
            key: shown[key]
            for key in ("data", "before", "after", "hidden", "erased", "conformance")
            if key in shown
        },
    }
    if mapped.uid == 6003:
        event["api"] = {
            "operation": shown["action"],
            "request": {"uid": shown.get("request_id", "")},
        }
        event["resources"] = [_target(shown["target"])]
    elif mapped.uid == 3004:
        event["entity"] = _target(shown["target"])
    else:
        event["user"] = _user(shown["actor"])
    if mapped.uid == 3005:
        target = _target(shown["target"])
        event["privileges"] = [f"{target['type']}:{target['uid']}"]
    return event


def _actor(actor: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"user": _user(actor)}
    if actor.get("session"):
        found["session"] = {"uid": actor["session"]}
    if actor.get("on_behalf_of"):
        found["authorizations"] = [{"decision": f"on behalf of {actor['on_behalf_of']}"}]
    return found


def _user(actor: dict[str, Any]) -> dict[str, Any]:
    # Without the id, the name of its key still tells two people apart.
    identity = actor.get("id") or actor.get("key") or "unknown"
    types = {"user": (1, "User"), "service": (4, "Service"), "system": (3, "System")}
    type_id, kind = types.get(actor["kind"], (0, "Unknown"))
    return {"uid": identity, "type_id": type_id, "type": kind}


def _target(target: dict[str, Any]) -> dict[str, Any]:
    return {"type": target["kind"], "uid": target.get("id", "[hidden]")}
