"""A mail relay, PyPI's `aiosmtpd`, on loopback. How it serves stands in its argument (JSON): `host`, `tls` (`none`, `starttls`,
`implicit`), `certificate` and `key` (files), `user` and `password` (else no AUTH), `utf8` (SMTPUTF8).

It says its `port` on standard output. Then one order a line on standard input, one answer a line: `next` has the next conversations
that get there go wrong, each once; `received` gives out what has come since, read by `mail_reader`, and what was `heard`.
"""
import asyncio
import json
import logging
import ssl
import sys
import warnings

import mail_reader
from aiosmtpd.smtp import SMTP, AuthResult

logging.disable()
warnings.simplefilter("ignore")
options = json.loads(sys.argv[1])
received, heard, plans = [], [], []


def planned(at):
    """What is to go wrong here, if anything."""
    if plans and plans[0]["at"] == at:
        return plans.pop(0)["how"]
    return None


class Relay(SMTP):
    connections = 0

    def connection_made(self, transport):
        if self._original_transport is None and not self.transport:
            Relay.connections += 1
            self.number = Relay.connections
        super().connection_made(transport)

    async def smtp_DATA(self, arg):
        if planned("data-middle"):
            heard.append("DATA")
            await self.push("354 go on")
            await self._reader.readuntil(b"\r\n")
            self.transport.abort()
            # Nothing more is said or heard; this ends with the connection.
            await self.loop.create_future()
        await super().smtp_DATA(arg)


class Handler:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        heard.append("EHLO")
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        heard.append("MAIL")
        answer = planned("mail")
        if answer:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 ok"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        heard.append("RCPT")
        answer = planned("rcpt")
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        heard.append("DATA")
        answer = planned("message")
        if answer and answer[0] in "45":
            return answer
        if answer and answer.startswith("after "):
            await asyncio.sleep(float(answer.split()[1]))
        received.append({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "options": envelope.mail_options,
            "tls": session.ssl is not None or options["tls"] == "implicit",
            "user": session.auth_data.login.decode() if session.authenticated else None,
            "connection": server.number,
            "mail": mail_reader.read(envelope.original_content),
        })
        if answer == "taken, then gone":
            server.transport.abort()
        if answer == "yes, then gone":
            await server.push("250 taken")
            server.transport.close()
            return "250 unheard"
        return "250 taken"


def signs_in(server, session, envelope, mechanism, login):
    heard.append("AUTH")
    said = (login.login.decode(), login.password.decode())
    return AuthResult(success=said == (options["user"], options["password"]), handled=False, auth_data=login)


def factory(context):
    auth = options.get("user") is not None
    return Relay(
        Handler(),
        hostname="relay.example.com",
        enable_SMTPUTF8=options.get("utf8", True),
        tls_context=context if options["tls"] == "starttls" else None,
        require_starttls=options["tls"] == "starttls",
        auth_required=auth,
        auth_require_tls=options["tls"] == "starttls",
        authenticator=signs_in if auth else None,
    )


async def main():
    context = None
    if options["tls"] != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options["certificate"], options["key"])
    loop = asyncio.get_running_loop()
    outer = context if options["tls"] == "implicit" else None
    server = await loop.create_server(lambda: factory(context), options["host"], 0, ssl=outer)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if "next" in order:
            plans.extend(order["next"])
            answer = {}
        else:
            answer = {"received": received[:], "heard": heard[:], "left": len(plans)}
            received.clear()
            heard.clear()
        print(json.dumps(answer), flush=True)


asyncio.run(main())
