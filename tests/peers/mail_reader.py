"""Reads mails as Python's `email` and PyPI's `icalendar` understand them: what a test may ask of one, as plain values.

Run by itself, it reads the files named on standard input, one a line, and answers with a line each.
"""
import email.policy
import json
import re
import sys
from email import errors, message_from_string
from html.parser import HTMLParser

from icalendar import Calendar

# What makes a mail program fetch something, and what merely leads there.
LOADING = {"src", "srcset", "background", "poster", "data", "action", "formaction"}


class Page(HTMLParser):
    """What an HTML text would load, where it leads, and whether each element that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.loads, self.links, self.open, self.faults = [], [], [], []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in LOADING or (name == "href" and tag != "a") or "url(" in (value or ""):
                self.loads.append(f"<{tag} {name}={value}>")
            elif name == "href":
                self.links.append(value)
        if tag in ("script", "iframe", "object", "form", "img"):
            self.loads.append(f"<{tag}>")
        if tag not in ("meta", "br", "hr", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_data(self, data):
        if self.open[-1:] == ["style"] and ("url(" in data or "@import" in data):
            self.loads.append(data)


def structure(part):
    inner = f"({','.join(map(structure, part.iter_parts()))})" if part.is_multipart() else ""
    return part.get_content_type() + inner


def entries(text):
    calendar = Calendar.from_ical(text)
    return {
        "method": str(calendar["METHOD"]) if "METHOD" in calendar else None,
        "faults": [str(error) for one in calendar.walk() for error in one.errors],
        "longest_line": max(len(line) for line in re.split(b"\r?\n", text.encode())),
        "events": [
            {
                "uid": str(event["UID"]),
                "sequence": int(event["SEQUENCE"]) if "SEQUENCE" in event else None,
                "start": event["DTSTART"].dt.isoformat(),
                "stamp": event["DTSTAMP"].dt.isoformat(),
                "summary": str(event["SUMMARY"]),
                "description": str(event.get("DESCRIPTION", "")),
                "url": str(event.get("URL", "")),
            }
            for event in calendar.walk("VEVENT")
        ],
    }


def read(raw):
    # Header and body are UTF-8 at most (RFC 6532).
    mail = message_from_string(raw.decode(), policy=email.policy.SMTPUTF8)
    parts = list(mail.walk())
    one = lambda kind: next((part for part in parts if part.get_content_type() == kind), None)
    content = lambda kind: one(kind).get_content().replace("\r\n", "\n") if one(kind) else None
    page = Page()
    page.feed(content("text/html") or "")
    entry = one("text/calendar")
    people = lambda name: [[who.display_name, who.addr_spec] for who in mail[name].addresses]
    return {
        "defects": [repr(defect) for part in parts for defect in part.defects]
        # A local part with an umlaut is one to Python, but not since RFC 6532.
        + [repr(one) for value in mail.values() for one in value.defects if not isinstance(one, errors.NonASCIILocalPartDefect)],
        "names": [name for name in mail.keys()],
        "headers": {name.lower(): str(value) for name, value in mail.items()},
        "from": people("From"),
        "to": people("To"),
        "date": mail["Date"].datetime.isoformat(),
        "structure": structure(mail),
        "text": content("text/plain"),
        "html": content("text/html"),
        "loads": page.loads,
        "links": page.links,
        "html_faults": page.faults + page.open,
        "calendar": entries(entry.get_payload(decode=True).decode()) if entry else None,
        "file": entry.get_filename() if entry else None,
        "body_is_ascii": raw.partition(b"\r\n\r\n")[2].isascii(),
        "longest_line": max(len(line) for line in raw.split(b"\r\n")),
        "bare_line_ends": raw.replace(b"\r\n", b"").count(b"\n") + raw.replace(b"\r\n", b"").count(b"\r"),
    }


if __name__ == "__main__":
    for name in sys.stdin:
        with open(name.rstrip("\n"), "rb") as file:
            raw = file.read()
        told = entries(raw.decode()) if name.rstrip("\n").endswith(".ics") else read(raw)
        print(json.dumps(told), flush=True)
