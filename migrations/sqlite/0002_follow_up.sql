-- What was asked for while a run was under way, and too late for it: the run that follows it does it.
alter table runs add column follow_trigger text;  -- null: nothing follows
alter table runs add column follow_demand text;
