"""Messages as Slack shows them, as a page without scripts: for pictures, and for looking at what was sent."""

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape, unescape
from typing import Any

_STYLE = """
* { box-sizing: border-box; margin: 0 }
body { font: 15px/1.46 Lato, "DejaVu Sans", Arial, sans-serif; color: #1d1c1d; background: #fff; width: 760px }
.bar { padding: 14px 20px; border-bottom: 1px solid #ddd; font-weight: 900; font-size: 18px }
.message { display: flex; gap: 10px; padding: 12px 20px 6px }
.face { width: 36px; height: 36px; border-radius: 8px; background: #4a154b; color: #fff; flex: none;
  font-weight: 900; text-align: center; line-height: 36px }
.body { flex: 1; min-width: 0 }
.who { font-weight: 900 } .who i { font: 12px sans-serif; color: #616061; margin-left: 6px }
.app { font: 700 10px sans-serif; background: #ddd; color: #454447; border-radius: 2px;
  padding: 1px 3px; margin: 0 2px }
h2 { font-size: 18px; line-height: 1.3; margin: 6px 0 }
.section { display: flex; gap: 12px; margin: 6px 0; justify-content: space-between }
.section p { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 0 }
.section img { width: 88px; height: 88px; border-radius: 8px; object-fit: cover; flex: none }
.context { color: #616061; font-size: 13px; margin: 4px 0; display: flex; gap: 8px; overflow-wrap: anywhere }
.context img { width: 20px; height: 20px }
.image img { max-width: 360px; border-radius: 8px }
a { color: #1264a3; text-decoration: none }
.file { border: 1px solid #ddd; border-radius: 10px; padding: 8px 12px; margin: 6px 0; width: 340px }
.file b { color: #4a154b } .file small { display: block; color: #616061 }
.thread { border-left: 4px solid #e8e8e8; margin: 2px 20px 10px 66px }
.thread .message { padding: 8px 14px 4px }
.count { color: #1264a3; font-size: 13px; font-weight: 700; padding: 2px 14px }
"""
_MARKS = ((re.compile(r"\*([^*\n]+)\*"), r"<b>\1</b>"), (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"))
_LINK = re.compile(r"<(https?://[^|>]+)\|([^>]+)>")


def page(messages: Sequence[Mapping[str, Any]], title: str) -> str:
    """Each message has `text` and `blocks`, and may have `replies`, themselves messages, and `files`, their names."""
    told = "".join(f"{_message(message)}{_thread(message.get('replies', ()))}" for message in messages)
    head = f"<meta charset=utf-8><title>{escape(title)}</title><style>{_STYLE}</style>"
    return f"<!doctype html><html lang=en>{head}<body><div class=bar># {escape(title)}</div>{told}</body></html>"


def _thread(replies: Sequence[Mapping[str, Any]]) -> str:
    if not replies:
        return ""
    word = "reply" if len(replies) == 1 else "replies"
    told = "".join(map(_message, replies))
    return f"<div class=thread><div class=count>{len(replies)} {word}</div>{told}</div>"


def _message(message: Mapping[str, Any]) -> str:
    who = "<div class=who>Suno receiver <span class=app>APP</span><i>8:30 AM</i></div>"
    blocks = "".join(_blocks(message))
    files = "".join(
        f"<div class=file><b>▶ {escape(name)}</b><small>MP3 · plays here</small></div>"
        for name in message.get("files", ())
    )
    return f"<div class=message><div class=face>♪</div><div class=body>{who}{blocks}{files}</div></div>"


def _blocks(message: Mapping[str, Any]) -> Iterator[str]:
    if not message.get("blocks") and message.get("text"):
        yield f"<div class=section><p>{_marked(message['text'])}</p></div>"
    for block in message.get("blocks", ()):
        match block:
            case {"type": "header", "text": {"text": text}}:
                yield f"<h2>{escape(text)}</h2>"
            case {"type": "section", "text": text}:
                picture = _picture(block["accessory"]) if "accessory" in block else ""
                yield f"<div class=section><p>{_text(text)}</p>{picture}</div>"
            case {"type": "context", "elements": elements}:
                parts = (
                    _picture(part) if part["type"] == "image" else f"<span>{_text(part)}</span>" for part in elements
                )
                yield f"<div class=context>{''.join(parts)}</div>"
            case {"type": "image"}:
                yield f"<div class=image>{_picture(block)}</div>"
            case _:
                raise ValueError(f"the page can't show a block of type {block.get('type')}")


def _text(text: Mapping[str, Any]) -> str:
    return escape(text["text"]) if text["type"] == "plain_text" else _marked(text["text"])


def _marked(text: str) -> str:
    """Slack's markup as HTML."""
    told, at = "", 0
    for found in _LINK.finditer(text):
        told += _inline(text[at : found.start()])
        told += f'<a href="{escape(unescape(found[1]))}">{_inline(found[2])}</a>'
        at = found.end()
    return told + _inline(text[at:])


def _inline(text: str) -> str:
    safe = escape(unescape(text))
    for pattern, replacement in _MARKS:
        safe = pattern.sub(replacement, safe)
    return safe


def _picture(image: Mapping[str, Any]) -> str:
    return f'<img src="{escape(image["image_url"])}" alt="{escape(image["alt_text"])}">'
