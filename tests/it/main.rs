//! The integration tests, one binary: the house's own rules, what documents state, and stories told as a user would.

mod alerts;
mod crash;
mod demo;
mod docs;
mod faults;
mod house;
mod migrations;
mod package;
mod peers;
mod program;
mod secrets;
mod stories;
mod systemd;
mod tree;
mod unit;
mod why;
mod world;
