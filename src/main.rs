//! resumeguard
fn main() {}
