//! Waiting for rollbacks.
