-- What is known of a refresh that was not seen to end: a channel that did not answer is told from our own death.
alter table authorizations add column intent_doubt text;
