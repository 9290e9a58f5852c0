//! resumeguard
