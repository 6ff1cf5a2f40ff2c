//! The one outgoing HTTP client: time limits, rate budgets, redacted tracing.

/// The client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Http {}
