//! shopsyncd keeps the permission to work in many shops alive, and the products in them equal to one source.
//!
//! For every shop it runs three jobs, each at its own period: authorization refresh, product import, product export.
//! Before a permission ends that only the shop's owner can renew, the owner is reminded by mail; if it ends all the same,
//! the shop's jobs wait, and after the renewal everything that was missed is caught up. One daemon does all of this; on
//! PostgreSQL as many of them as you like do it together.
//!
//! This page is the map. It says which modules there are and who may look at whom, follows five things on their way
//! through the house, and says what its words mean.
//!
//! # Layers
//!
//! One rule to remember: **look only down.** Below, the modules are declared in this order, from the rules at the bottom
//! of the house to the commands at its top. The table is the whole truth; a test (`tests/it/house.rs`) reads it from this
//! page and compares it with every `crate::` path under `src/`, tests apart. `telemetry` and `crash` are open to all but
//! `domain`, so the table leaves them out.
//!
//! | Module | May look at |
//! |---|---|
//! | `domain` | nothing of ours, and nothing asynchronous |
//! | `clock` | `domain` |
//! | `crash` | nothing |
//! | `secrets` | nothing |
//! | `telemetry` | `domain` |
//! | `config` | `domain`, `secrets` |
//! | `http` | `domain`, `clock` |
//! | `mail` | `domain`, `clock`, `secrets` |
//! | `store` | `domain`, `secrets::Sealed` |
//! | `channels` | `domain`, `clock`, `secrets`, `http` |
//! | `settings` | `domain`, `config`, `channels` |
//! | `notices` | `domain`, `store`, `mail` |
//! | `scheduler` | `domain`, `clock`, `store` |
//! | `keeper` | `domain`, `clock`, `secrets`, `store`, `channels`, `notices` |
//! | `jobs` | `domain`, `clock`, `mail`, `store`, `channels`, `notices`, `scheduler`, `keeper` |
//! | `control` | `domain`, `config` |
//! | `report` | `domain`, `config`, `store`, `notices` |
//! | `web` | `domain`, `clock`, `secrets`, `store`, `channels`, `keeper` |
//! | `daemon` | everything above |
//! | `cli` | everything above |
//!
//! What it buys:
//!
//! - The store can hold a sealed token but cannot even name an open one.
//! - A channel cannot reach the database, the configuration or another channel. It gets its settings, an HTTP client and a
//!   clock, and answers questions.
//! - The scheduler does not know the name of any job's work; jobs do not know why they were started.
//! - Only `daemon` knows everything, and it does nothing but put things together.
//! - Nobody below `daemon` reads settings as a whole, but those who judge or show them: `settings`, `control`, `report`.
//!   Everybody else is handed the values they need.
//!
//! Some modules stand where one would not look for them at first, for these reasons:
//!
//! - `crash` has the named points at which tests let the program die. They stand in the code that must survive it, so the
//!   module lies at the bottom; without the feature `fakes` a point is nothing at all.
//! - `settings` is where settings and channels meet. `config` knows no channel and a channel knows no `config`, yet only
//!   both together can judge `[shops.X]`.
//! - `notices` says who is told what. A notice is owed in the very transaction of its cause, and causes are found by the
//!   keeper (a permission ended) as well as by jobs (a reminder is due), so it lies below both.
//! - `report` has what people are told. A command, its JSON, the control socket and the page show the same values, made in
//!   one place.
//! - `control` is both ends of the control socket, so that what a command asks and what the daemon answers are one type.
//! - `daemon` is a folder: building, starting, reloading, housekeeping, health, what the socket answers and what systemd is told are
//!   separate things, put together in its `mod.rs`.
//!
//! # Five paths through the house
//!
//! If a change makes one of them longer, think again.
//!
//! **(1) A config edit.** `config/watch` looks at the files once a second (the kernel's notices only say when to look
//! sooner), or `reload` asks over the control socket → `settings::load_after`: `config/load` lays files and environment over each
//! other, `config/check` lists everything wrong, and each channel reads its own keys; shops whose files say what is `config/known` of
//! them are taken over, so that an edit costs what it changes → anything wrong: the old settings keep serving, and the findings go to the log, the metric, `status` and systemd's status line → else `config/diff` says
//! what changes → `daemon/force` brings `store/schedules` in line in one transaction (an unchanged schedule keeps its row
//! and its next instant, a removed one takes its waiting runs with it, a period of `None` keeps the row and clears the
//! instant) → the parts concerned get their new values, and the shared settings are swapped whole. Beside peers the same
//! transaction notes the digest of what was accepted; `daemon/agreement` sees it there, and whoever serves others stands by.
//!
//! **(2) A due job.** `scheduler/timer` sleeps until the earliest due instant, at most a second, or until a wake-up →
//! `planner`, in one transaction: for each due schedule insert a run, at most one unfinished per schedule, claim as many as
//! there are free slots (beside peers not those of an authorization that a peer works for), and set the next instant with
//! `Period::next_after`; instants missed while down become one run →
//! `runner` calls the handler of its kind with a context (shop, clock, cancel signal) while `life` moves the instance's
//! beat, which keeps its claims alive → `domain/retry` decides between done, again at an instant, and given up →
//! `finisher` writes outcome and next state where the claim's number still matches, many at once. If the process dies, its
//! beat stands still, another claim finds the run, the attempt count goes up, and whatever the dead one still tries to
//! write is refused by its old number.
//!
//! **(3) An imported product.** `jobs/product_import` reads the cursor → asks `keeper` for an access token →
//! `Channel::pull` returns one page in the domain's words (the wire types never leave the channel's folder) → each listing
//! is valid or a named complaint → one transaction: listings by shop and SKU, the complaints, *and* the cursor → next page,
//! until the channel says there is no more or the run is told to stop; the next run goes on from the cursor. A lapse of
//! authorization moves no cursor, so after the renewal the gap fills by itself. Exports walk the other way:
//! `jobs/product_export` compares what the source wants, after the shop's rules, with what the shop was last seen to have →
//! guards → batches of `Change` → `Channel::push` → per-SKU results, which count as seen, in one transaction with the
//! complaints. Images and attributes, which most shops do not show as they were sent, are compared with what the shop last accepted,
//! and go after the rest, apart from it.
//!
//! **(4) A refreshed token.** Planned: the look of `jobs/authorization_refresh` finds that the token would end before the
//! next one. Or unplanned: a call came back "not accepted". Both end in `keeper/refresh` → take the authorization's lease
//! (one per account, however many shops), longer than the exchange's own limit → read the row again; newer than what the
//! caller saw means someone else has done it: return theirs → note "refresh begun" → `Consent::refresh` → seal → replace
//! the row *from the generation that was read*, with its new end dates and a journal line, in one transaction → give the
//! lease back. Only then is the new token used. Failures are sorted by what has to happen next: wait and try again, tell a
//! person because the permission itself has ended, or tell the operator because the app's own secret is wrong, which stops
//! one channel at once and is reported once, not per shop.
//!
//! **(5) A reminder.** `jobs/remind`, whose next instant is the next step of any ladder → `domain/reminder` compares the end
//! date, the ladder and what was already noted → one transaction through `notices`: a `reminders` row, unique by grant and
//! local date (never by end date, which moves), and the recipient's message of that day in the outbox → `jobs/send_mail`
//! composes it from what is still owed, freezes it, hands it to `mail` with the Message-ID of its outbox row, and marks it
//! sent → the relay's refusal is an outcome with a retry, seen in `mail list`; what certainly did not leave may be composed
//! anew, what may have left is not. Sent twice is possible only if the process
//! dies between the relay's yes and our commit; the equal Message-ID lets the receiving side notice.
//!
//! # Words
//!
//! One word per thing, the same in code, tables, log fields, metrics, commands and pages.
//!
//! | Word | Means | Not |
//! |---|---|---|
//! | channel | a marketplace or other system that holds products: `tiktok_shop`, `file` | platform, provider, connector |
//! | shop | one place of sale on a channel, one entry in the settings | store, tenant |
//! | account | whom an authorization belongs to on a channel; several shops may share one | |
//! | authorization | the shop owner's permission; a *person* renews it | connection, login |
//! | access token | the short-lived key for calls; a *machine* renews it | session |
//! | refresh token | what access tokens are renewed with | |
//! | product source | the one shop whose products are the truth | master |
//! | product, variant | what the source says; a variant is one SKU | |
//! | listing | how a SKU stands in one shop | item, article |
//! | SKU | the seller's identifier, unique within a shop | code |
//! | remembered field | a field that a shop does not show as it was sent: what it last accepted counts as seen | |
//! | complaint | what is wrong with one SKU, kept until it is resolved | warning |
//! | job kind | what kind of work: authorization refresh, product import, product export, … | task, process |
//! | schedule | one job kind for one shop, with its period | cron entry |
//! | period | how often; `None` is a value of its own | interval, frequency |
//! | due instant | the moment a schedule calls for, whenever it then runs | |
//! | run | one due instant being carried out, however many attempts it takes | execution |
//! | attempt | one try of a run | |
//! | hold | why a job waits although its period says otherwise | block |
//! | lease | the time-limited right to do something, with a number that only grows | lock |
//! | beat | the number by which an instance shows its peers that it lives | heartbeat |
//! | cursor | how far an import has come, in the channel's own terms | offset, bookmark |
//! | guard | what stops an export that would change too much, and asks | |
//! | step | one reminder of the ladder before an authorization ends | |
//! | outbox | messages owed to people | queue |
//! | journal | what happened, told to people | audit log, events |

// The rules.
pub mod domain; // plain values and the questions asked of them: no I/O, no clock

// Tools: each does one technical thing.
pub mod clock; // the clock, handed in: the system's, or one that tests move by hand
pub mod crash; // named points at which tests let the program die
pub mod secrets; // values that never print, and the sealing that keeps them at rest
pub mod telemetry; // log lines and metrics

// Tools that stand on those.
pub mod config; // settings: read, judged, compared, watched
pub mod http; // the one outgoing client
pub mod mail; // what a mail says, and how it leaves
pub mod store; // SQLite or PostgreSQL; the only place with SQL

// The outside world.
pub mod channels; // marketplaces and files, each in a folder of its own

// Where settings and channels meet.
pub mod settings; // each channel reads its own keys

// Engines, and what is owed to people.
pub mod notices; // who is told what, in the transaction of the cause
pub mod scheduler; // due schedules become runs, runs are carried out and written down

// The keeper of permissions.
pub mod keeper; // the only place that hands out an access token

// The work.
pub mod jobs; // one file per job kind

// People.
pub mod control; // the control socket, both ends
pub mod report; // what people and scripts are told
pub mod web; // authorize pages, callbacks, health, metrics

// Everything, put together.
pub mod daemon; // builds, runs, reloads, drains and stops

// The commands.
pub mod cli; // what they are called, what they reach, and how they end
