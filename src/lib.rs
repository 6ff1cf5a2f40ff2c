//! shopsyncd (map to come).
pub mod channels;
pub mod clock;
pub mod config;
pub mod crash;
pub mod domain;
pub mod http;
pub mod keeper;
pub mod mail;
pub mod notices;
pub mod scheduler;
pub mod secrets;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod control;
pub mod jobs;
pub mod report;
