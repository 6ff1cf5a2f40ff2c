//! Toy handlers on a manual clock.
