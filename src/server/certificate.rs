//! Whose a client's certificate is. It was verified before.

use rustls::pki_types::CertificateDer;

/// OID 2.5.4.3, `commonName`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Tags of DER (X.690).
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// Longer names are cut where they are shown.
const LONGEST: usize = 64;

/// The names that a certificate bears, whole: its common name, and its DNS names. They are compared with those that are
/// configured, so none is made from another: what is no plain text is no name.
pub(super) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else { return Vec::new() };
    let common = common_name(parsed.subject());
    common
        .into_iter()
        .chain(parsed.valid_dns_names().map(str::to_owned))
        .filter(|name| is_plain(name))
        .collect()
}

/// The first common name of a subject: sets of pairs of an OID and a text. Walked, not searched for: other fields may hold
/// any bytes.
fn common_name(subject: &[u8]) -> Option<String> {
    // With or without the sequence around it.
    let mut sets = match element(subject)? {
        (SEQUENCE, inside, []) => inside,
        _ => subject,
    };
    while let Some((SET, mut pairs, rest)) = element(sets) {
        sets = rest;
        while let Some((SEQUENCE, pair, more)) = element(pairs) {
            pairs = more;
            if let Some((OID, COMMON_NAME, text)) = element(pair) {
                let (_tag, text, _) = element(text)?;
                return std::str::from_utf8(text).ok().map(str::to_owned);
            }
        }
    }
    None
}

/// Tag, content, and what follows. Lengths beyond two bytes are nobody's name.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match short {
        0..=0x7f => (usize::from(short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest
            .split_first_chunk::<2>()
            .map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length).map(|(content, rest)| (tag, content, rest))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(char::is_control)
}

/// A name as it is shown in logs and kept in the journal; never to be compared.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_common_one_and_those_of_dns() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut asked = rcgen::CertificateParams::new(vec!["ada.example".to_owned()]).unwrap();
        asked.distinguished_name = rcgen::DistinguishedName::new();
        asked.distinguished_name.push(rcgen::DnType::OrganizationName, "Engines");
        asked.distinguished_name.push(rcgen::DnType::CommonName, "ada");
        let certificate = asked.self_signed(&key).unwrap();
        assert_eq!(names(certificate.der()), ["ada", "ada.example"]);
    }

    /// Whoever signs may let people choose names that are nobody's yet: no such name becomes somebody's.
    #[test]
    fn no_name_is_made_from_another() {
        let common = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut asked = rcgen::CertificateParams::default();
            asked.distinguished_name = rcgen::DistinguishedName::new();
            asked.distinguished_name.push(rcgen::DnType::CommonName, name);
            names(asked.self_signed(&key).unwrap().der())
        };
        assert_eq!(common("ada\u{7}"), [""; 0]);
        assert_eq!(common("a\0da"), [""; 0]);
        let long = "a".repeat(LONGEST) + ".example";
        assert_eq!(common(&long), [long.as_str()], "whole");
        assert_eq!(plain(&long), "a".repeat(LONGEST), "cut where it is shown");
    }

    /// Whoever may choose another field of their certificate does not choose their name by it.
    #[test]
    fn another_field_names_nobody() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut asked = rcgen::CertificateParams::default();
        asked.distinguished_name = rcgen::DistinguishedName::new();
        asked.distinguished_name.push(rcgen::DnType::OrganizationName, "\u{6}\u{3}U\u{4}\u{3}\u{c}\u{3}ada");
        asked.distinguished_name.push(rcgen::DnType::CommonName, "eve");
        assert_eq!(names(asked.self_signed(&key).unwrap().der()), ["eve"]);
    }

    #[test]
    fn what_ends_too_early_has_no_name() {
        let pair = [&[OID, 3], COMMON_NAME, &[0x0c, 3], b"ada"].concat();
        let whole = [&[SET, 12, SEQUENCE, 10][..], &pair].concat();
        assert_eq!(common_name(&whole).as_deref(), Some("ada"));
        for end in 0..whole.len() {
            assert_eq!(common_name(&whole[..end]), None, "{end}");
        }
    }
}
