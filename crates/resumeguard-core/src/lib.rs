//! The pure part of resumeguard.
