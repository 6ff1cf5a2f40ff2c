//! The integration tests, one binary: the house's own rules, what documents state, and stories told as a user would.

mod house;
mod tree;
