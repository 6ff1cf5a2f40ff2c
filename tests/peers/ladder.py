"""A year of a thousand shops, invented, and every mail that product and law of the calendar owe to people: worked out with
`dateutil.relativedelta` and `zoneinfo`, by days and not by instants, from the words of the promise alone.

For an authorization that ends at E: steps on E's local date minus a month (clamped to the month's last day), then every 7 days from that
day while before E, and `extra` days before; each at a time of day, one that is skipped later, one that comes twice the first time. Steps
up to the moment it was given are not owed. Two ordinary steps are never less than 6 days apart, also when the channel tells another end:
one that is later by more than 7 days is a renewal, any other moves the steps that are still to come. After downtime only the latest missed step is told, at once, and covers a step later that day;
once E has passed only the notice is. A mail a recipient and local day: what finds today's mail gone waits until tomorrow's time of day, whoever looks before.

Or else a year of `secrets` of apps that end: the operator hears 90, 30, 14, 7 and 1 days before the last day, and from then on daily; once a
day for all of them, two seconds after the time of day, so that what happens together is told together.

Its argument (JSON) says `zone`, `at`, `extra` (days), `accounts`, `shops`, and whether the year is `quiet`: nobody renews anything, and
the daemon is never down. It prints the world and the table.
"""
import functools
import json
import random
import sys
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

asked = json.loads(sys.argv[1])
zone = ZoneInfo(asked["zone"])
at = time.fromisoformat(asked["at"])
chance = random.Random(asked["accounts"])
FIRST, LAST = date(2027, 7, 1), date(2028, 7, 31)
DAYS = (LAST - FIRST).days


@functools.cache
def instant(day, clock):
    """A skipped time of day counts by the offset before the gap, so it moves forward; of two the first is meant."""
    return datetime.combine(day, clock, tzinfo=zone).replace(fold=0).astimezone(timezone.utc)


@functools.cache
def local_day(moment):
    return moment.astimezone(zone).date()


def any_moment(day):
    near_at = [at, (datetime.combine(day, at) - timedelta(seconds=1)).time(), (datetime.combine(day, at) + timedelta(seconds=1)).time()]
    odd = [time(0, 0), time(23, 59, 59), time(2, 30), time(12, 0)]
    if chance.random() < 0.3:
        return instant(day, chance.choice(near_at + odd))
    return instant(day, time(chance.randrange(24), chance.randrange(60), chance.randrange(60)))


def any_end():
    days = [FIRST + timedelta(days=chance.randrange(DAYS))]
    month = FIRST + relativedelta(months=chance.randrange(13))
    days += [month + relativedelta(day=31), month + relativedelta(day=31), month + relativedelta(day=chance.choice([28, 29, 30, 31]))]
    days += [date(2027, 10, 31), date(2028, 3, 26), date(2028, 2, 29), date(2028, 3, 30), date(2028, 4, 26), date(2027, 11, 30)]
    return any_moment(chance.choice(days))


if asked.get("secrets"):
    secrets = sorted(LAST - timedelta(days=30 + chance.randrange(60)) for _ in range(asked["secrets"]))
    table = []
    for number in range(DAYS):
        day = FIRST + timedelta(days=number)
        left = [(ends - day).days for ends in secrets]
        if any(days in (90, 30, 14, 7) or days <= 1 for days in left):
            table.append((instant(day, at) + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%SZ operator ops@example.com "))
    stamp = lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    begin, until = instant(FIRST, time(0, 0)), instant(LAST, time(0, 0))
    print(json.dumps({
        "begin": stamp(begin), "until": stamp(until), "down": [], "accounts": [], "table": table,
        "secrets": [str(ends) for ends in secrets],
    }))
    sys.exit()

# Down: from an instant up to another, at which it is started again.
down = []
day = FIRST + timedelta(days=20)
while day < LAST - timedelta(days=40) and not asked["quiet"]:
    begins = instant(day, time(chance.randrange(24), 17, 3))
    ends_on = local_day(begins) + timedelta(days=chance.choice([0, 1, 1, 3, 9, 24]))
    clock = chance.choice([time(4, 40), time(6, 5), time(8, 20), time(11, 11), time(19, 30)])
    ends = max(instant(ends_on, clock), begins + timedelta(minutes=50))
    down.append((begins, ends))
    day = local_day(ends) + timedelta(days=chance.randrange(6, 24))


def up(moment):
    """The moment itself, or the one after it at which the daemon is started."""
    return next((ends for begins, ends in down if begins <= moment < ends), moment)


# The accounts: their shops with who is reminded, and their grants: when each was given, and when it ends.
accounts, count = [], 0
for number in range(asked["accounts"]):
    left, behind = asked["shops"] - count, asked["accounts"] - number - 1
    shops = chance.randrange(max(1, left - 7 * behind), min(7, left - behind) + 1)
    known = []
    for _ in range(shops):
        count += 1
        remind = None
        if chance.random() < 0.45:
            remind = [f"owner-{chance.randrange(60):02}@example.com" for _ in range(chance.randrange(1, 4))]
        known.append({"id": f"shop-{count:04}", "remind": sorted(set(remind or ["shops@example.com"]))})
    grants = []
    ends = any_end()
    given = ends - timedelta(days=chance.choice([1, 3, 9, 20, 27, 32, 90, 365]), seconds=chance.randrange(80000))
    given = up(given)
    ends = max(ends, given + timedelta(hours=7))
    if asked["quiet"]:
        given = instant(FIRST, time(0, 0)) - timedelta(minutes=1 + number % 50)
    grants.append([given, ends])
    while chance.random() < 0.55 and not asked["quiet"]:
        # Before the end, in the midst of the ladder, on its last day, or after it.
        moment = grants[-1][1] + timedelta(days=chance.choice([-26, -17, -9, -2, 0, 3, 30]), seconds=chance.randrange(-9000, 9000))
        moment = up(max(moment, grants[-1][0] + timedelta(hours=1)))
        if local_day(moment) >= LAST:
            break
        grants.append([moment, moment + timedelta(days=chance.choice([5, 30, 90, 365]), seconds=chance.randrange(60))])
    moves = []
    for place, (given, ends) in enumerate(grants):
        if asked["quiet"] or chance.random() < 0.4:
            continue
        # In the midst of the ladder, most of them.
        moment = up(ends - timedelta(days=chance.choice([40, 27, 20, 13, 6, 2]), seconds=chance.randrange(80000)))
        days = chance.choice([-6, -3, -1, 1, 2, 5, 7, 7, 8, 20, 90])
        moved = ends + timedelta(days=days)
        after = grants[place + 1][0] if place + 1 < len(grants) else instant(LAST, time(0, 0))
        if given < moment < min(ends, after) and moved > moment + timedelta(hours=1):
            moves.append([moment, moved])
    accounts.append({"shops": known, "grants": grants, "moves": moves})


@functools.cache
def steps(given, ends):
    """The days of a ladder, each with whether it is extra."""
    last = local_day(ends)
    days, number = set(), 0
    first = last - relativedelta(months=1)
    while first + timedelta(days=7 * number) <= last:
        days.add(first + timedelta(days=7 * number))
        number += 1
    extra = {last - relativedelta(days=extra) for extra in asked["extra"]} - days
    return sorted((day, day in extra) for day in days | extra if given < instant(day, at) < ends)


table = []
told = [{} for _ in accounts]  # the day of each step that was seen to, and whether it was extra then
terms = [None for _ in accounts]  # when the grant in force was given, and when it ends
over = [False for _ in accounts]
mailed = {}
begin = min(grant[0] for account in accounts for grant in account["grants"])
until = instant(LAST, time(0, 0))
turns = {instant(local_day(begin) + timedelta(days=number), at) for number in range((LAST - local_day(begin)).days)}
turns |= {ends for _, ends in down} | {moment for account in accounts for grant in account["grants"] for moment in grant}
renewals = {}
for number, account in enumerate(accounts):
    for place, grant in enumerate(account["grants"]):
        renewals.setdefault(grant[0], []).append((number, grant[1], place > 0))
moved = {}
for number, account in enumerate(accounts):
    for moment, ends in account["moves"]:
        moved.setdefault(moment, []).append((number, ends))
        turns |= {moment, ends}


def concerned(account):
    whom = {}
    for shop in account["shops"]:
        for recipient in shop["remind"]:
            whom.setdefault(recipient, []).append(shop["id"])
    return whom


for now in sorted({turn for turn in turns | set(renewals) if begin <= turn < until and up(turn) == turn}):
    for number, ends, again in renewals.get(now, []):
        told[number], over[number], terms[number] = {}, False, (now, ends)
        if again:
            table += [(now, "renewed", who, shops) for who, shops in concerned(accounts[number]).items()]
    for number, ends in moved.get(now, []):
        given, before = terms[number]
        terms[number] = (given, ends)
        if ends - before > timedelta(days=7):
            told[number], over[number], terms[number] = {}, False, (now, ends)
            table += [(now, "renewed", who, shops) for who, shops in concerned(accounts[number]).items()]
    today = local_day(now)
    digest = {}
    for number, account in enumerate(accounts):
        if not terms[number]:
            continue
        given, ends = terms[number]
        if ends <= now:
            if not over[number]:
                over[number] = True
                table += [(now, "ended", who, shops) for who, shops in concerned(account).items()]
            continue
        seen = [day for day, extra in told[number].items() if not extra]
        near = lambda day: any(day != other and abs((day - other).days) < 6 for other in seen)
        come = [day for day, extra in steps(given, ends) if instant(day, at) <= now and (extra or not near(day))]
        if not come or any(day >= come[-1] for day in told[number]):
            continue
        waits = [today]
        if come[-1] < today and now < instant(today, at):
            waits.append(today - timedelta(days=1))
        if any(mailed.get(who) in waits for who in concerned(account)):
            continue
        for day, extra in steps(given, ends):
            if day <= max(today, come[-1]):
                told[number].setdefault(day, extra)
        for who, shops in concerned(account).items():
            digest.setdefault(who, []).extend(shops)
    for who, shops in digest.items():
        mailed[who] = today
        table.append((now, "reminder", who, shops))

stamp = lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
print(json.dumps({
    "begin": stamp(begin),
    "until": stamp(until),
    "down": [[stamp(begins), stamp(ends)] for begins, ends in down],
    "accounts": [
        {
            "shops": account["shops"],
            "grants": [[stamp(given), stamp(ends)] for given, ends in account["grants"]],
            "moves": [[stamp(moment), stamp(ends)] for moment, ends in account["moves"]],
        }
        for account in accounts
    ],
    "table": sorted(f"{stamp(now)} {kind} {who} {' '.join(sorted(shops))}" for now, kind, who, shops in table),
}))
