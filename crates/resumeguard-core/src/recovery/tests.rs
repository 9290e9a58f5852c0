//! Plans, blockers and the fold together.
