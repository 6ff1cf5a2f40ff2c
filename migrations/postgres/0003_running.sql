-- The runs under way, few among many that wait: claiming beside peers asks for them at every look.
create index runs_running on runs (instance) where state = 'running';
