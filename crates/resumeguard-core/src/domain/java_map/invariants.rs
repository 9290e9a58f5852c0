//! What must hold for any bytes whatever; shared by the tests and the fuzz target.

use super::{JavaMap, JavaMapError};

/// Reads bytes, and checks what follows where they are a map. Returns whether they are.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let map = match JavaMap::parse(bytes) {
        Ok(map) => map,
        Err(JavaMapError::Torn { length }) => {
            assert_eq!(length, bytes.len());
            return false;
        }
        Err(JavaMapError::Layout { at }) => {
            assert!(at < bytes.len());
            return false;
        }
        Err(JavaMapError::DuplicateKey) => return false,
        Err(JavaMapError::TooLong) => panic!("nothing that was read is too long"),
    };
    // There is one way to write a map, and it is the only one that is read.
    assert_eq!(map.to_bytes().as_deref(), Ok(bytes));
    let cut = bytes.len() - 1;
    assert_eq!(JavaMap::parse(&bytes[..cut]), Err(JavaMapError::Torn { length: cut }));
    if let Some((Some(key), value)) = map.entries().first() {
        let rest = map.without(key).expect("it has that key");
        assert_eq!(rest.entries(), &map.entries()[1..]);
        assert_eq!(rest.without(key), None);
        assert_eq!(rest.replaced(key, None), None);
        assert_eq!(map.inserted(key, None), None);
        let replaced = map.replaced(key, Some(b"other")).expect("it has that key");
        assert_eq!(replaced.replaced(key, *value).as_ref(), Some(&map));
        for changed in [rest, replaced] {
            let written = changed.to_bytes().expect("it is hardly longer");
            assert_eq!(JavaMap::parse(&written), Ok(changed));
        }
    }
    true
}
