-- How often a mail was handed over without anybody knowing what became of it: while that is never, what it says may still change.
alter table outbox add column unanswered integer not null default 0;
update outbox set unanswered = 1 where state = 'owed' and subject is not null;
-- Whether it was cancelled only because mail was switched off: it is owed again once mail is on.
alter table outbox add column silenced integer not null default 0;
-- Since when the channel says that a shop is closed: whoever is named later is told, and each once.
alter table shops add column closed_since integer;
