-- The plan that a guard stopped and that people were told of; `released_plan` is what a person let through of it.
alter table shops add column stopped_plan text;
delete from facts where name like 'guard.%';

-- The run that began the pass: what no run since has complained of again is resolved when the pass ends.
alter table passes add column run_id bigint not null default 0;

-- Nobody wrote it: whether the operator was told is a mail in the outbox.
alter table authorizations drop column alarmed_at;
