"""What vendors check of a request, from their public documents: required fields and sizes."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

BYTES_MAX = {
    "wecom": 20_000,
    "dingtalk": 20_000,
    "feishu": 20 * 1024,
    "ntfy": 16_000,
    "sms": 4_000,
    "voice": 4_000,
    "email": 200_000,
    "syslog": 200_000,
    "apprise": 200_000,
}


def problem(kind: str, body: Any) -> str:
    """What the vendor would object to; '' when nothing."""
    checks = {
        "wecom": _wecom,
        "dingtalk": _dingtalk,
        "feishu": _feishu,
        "ntfy": _ntfy,
        "sms": _gateway,
        "voice": _gateway,
        "email": _letter,
        "syslog": _letter,
        "apprise": _letter,
    }
    try:
        return checks[kind](body) if kind in checks else ""
    except (KeyError, TypeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def markdown_of(body: Mapping[str, Any]) -> list[str]:
    """The words that a messenger would read as markdown, without the link that is meant."""
    if body["msgtype"] == "template_card":
        return []
    text = (
        body["actionCard"]["text"]
        if body["msgtype"] == "actionCard"
        else body["markdown"].get("content") or body["markdown"]["text"]
    )
    return [line for line in text.split("\n") if not line.startswith("[")]


def _wecom(body: Mapping[str, Any]) -> str:
    if body["msgtype"] == "markdown":
        size = len(body["markdown"]["content"].encode())
        return "markdown.content exceed max length 4096" if size > 4096 else _filled(size)
    if body["msgtype"] != "template_card":
        return "invalid message type"
    card = body["template_card"]
    if card["card_type"] != "text_notice" or card["card_action"]["type"] not in {1, 2}:
        return "card_action"
    if not card["card_action"]["url"].startswith("http"):
        return "card_action.url"
    rows, jumps = card["horizontal_content_list"], card["jump_list"]
    if len(rows) > 6 or len(jumps) > 3 or any(j["type"] == 1 and not j["url"] for j in jumps):
        return "lists"
    limits = [
        (card["main_title"]["title"], 26), (card["main_title"]["desc"], 30),
        (card["sub_title_text"], 112), *((row["keyname"], 5) for row in rows),
        *((row["value"], 26) for row in rows), *((jump["title"], 13) for jump in jumps),
    ]  # fmt: skip
    return _within(limits)


def _dingtalk(body: Mapping[str, Any]) -> str:
    if body["msgtype"] == "markdown":
        part = body["markdown"]
        limits = [(part["title"], 64), (part["text"], 5000)]
    elif body["msgtype"] == "actionCard":
        part = body["actionCard"]
        limits = [
            (part["title"], 64), (part["text"], 5000), (part["singleTitle"], 20),
            (part["singleURL"], 500),
        ]  # fmt: skip
        if not part["singleURL"].startswith("http"):
            return "singleURL"
    else:
        return "unsupported msgtype"
    return _within(limits) or _filled(len(part["text"]) * len(part["title"]))


def _feishu(body: Mapping[str, Any]) -> str:
    if body["msg_type"] != "interactive":
        return "msg_type need"
    card = body["card"]
    if card["header"]["template"] not in {"red", "orange", "yellow", "blue", "grey"}:
        return "template"
    for element in card["elements"]:
        if element["tag"] == "div" and not element["text"]["content"]:
            return "an empty text"
        if element["tag"] == "action" and not element["actions"][0]["url"].startswith("http"):
            return "url"
    return _filled(len(card["header"]["title"]["content"]))


def _ntfy(body: Mapping[str, Any]) -> str:
    if len(body["title"].encode()) > 1024 or len(body["message"].encode()) > 4096:
        return "too long"
    if not 1 <= body["priority"] <= 5 or len(body.get("actions", ())) > 3:
        return "priority or actions"
    return _filled(len(body["message"]) * len(body["topic"]))


def _gateway(body: Mapping[str, Any]) -> str:
    if not body["to"] or not all(re.fullmatch(r"\+?\d{4,15}", number) for number in body["to"]):
        return "isv.MOBILE_NUMBER_ILLEGAL"
    return _within([(body["text"], 500)]) or _filled(len(body["text"]))


def _letter(body: Mapping[str, Any]) -> str:
    one_line = "\n" not in body["subject"] and len(body["subject"].encode()) <= 200
    return _filled(len(body["text"])) if one_line else "subject"


def _within(limits: Sequence[tuple[str, int]]) -> str:
    return next((f"{text[:20]} is over {n}" for text, n in limits if len(text) > n), "")


def _filled(size: int) -> str:
    return "" if size else "empty"
