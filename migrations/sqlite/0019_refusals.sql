-- Why an instance refused the newest settings files that it found: each has its own, and nobody else's files mend them.
alter table instances add column settings_error text;
delete from facts where name = 'settings.error';
