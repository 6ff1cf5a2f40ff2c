-- Whether a step was one of `extra` when it was noted: those keep no distance, whatever the ladder of an end that has moved would call its date.
alter table reminders add column extra integer not null default 0;
