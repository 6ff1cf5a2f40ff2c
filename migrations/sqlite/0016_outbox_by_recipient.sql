-- What was told to one person, and what waits: the outbox keeps months of mails with their bodies.
create index outbox_recipient on outbox (recipient, kind, state);
create index outbox_state on outbox (state, id);
