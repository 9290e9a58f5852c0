//! What `cargo xtask mutants` must tell apart. Its mutants are in `list.json`, as cargo-mutants 27.1 lists them.

/// Evaluated by the compiler: built by itself.
const LIMIT: u8 = three() + 1;

/// The compiler evaluates this too.
const fn three() -> u8 {
    let mut number = 1;
    while number < 3 {
        number += 1;
    }
    number
}

/// Has no default: the mutant that returns one does not compile.
pub struct Opaque(u8);

impl Opaque {
    pub fn made() -> Self {
        Self(LIMIT)
    }

    pub fn value(&self) -> u8 {
        self.0
    }
}

/// Tested far from its bound: that it is 11 and not 10 is noticed by nobody.
pub fn beyond(number: u8) -> bool {
    number > 10
}

/// Divided by one instead, it never ends.
pub fn counted_down(mut number: u8) -> u8 {
    while number != 0 {
        number -= 1;
    }
    number
}

/// Its own body cannot be copied, that of the closure within can.
pub fn doubled(numbers: &[u8]) -> impl Iterator<Item = u8> {
    numbers.iter().map(|number| number * 2)
}

/// Nobody calls it.
pub fn forgotten(flag: bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opaque() {
        assert_eq!(Opaque::made().value(), 4);
    }

    #[test]
    fn bounds() {
        assert!(beyond(200));
        assert!(!beyond(1));
    }

    #[test]
    fn the_end() {
        assert_eq!(counted_down(2), 0);
    }

    #[test]
    fn twice() {
        assert_eq!(doubled(&[1, 5]).collect::<Vec<_>>(), [2, 10]);
    }
}
