//! The time in a resume token, as far as driving a test needs it. The real decoder is `mongodb-resume-token`.

use mongodb::bson::Timestamp;

/// The cluster time of a token: the first nine bytes of its hex string (`82`, seconds, increment).
#[must_use]
pub fn cluster_time(hex: &str) -> Option<Timestamp> {
    let number = |range| u32::from_str_radix(hex.get(range)?, 16).ok();
    let (kind, time, increment) = (number(0..2)?, number(2..10)?, number(10..18)?);
    (kind == 0x82).then_some(Timestamp { time, increment })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_nine_bytes() {
        let token = "82613B8B1A000000012B022C0100296E5A1004";
        assert_eq!(cluster_time(token), Some(Timestamp { time: 0x613B_8B1A, increment: 1 }));
        for bad in ["", "82613B8B1A0000", "8X613B8B1A00000001", "83613B8B1A00000001", "82é"] {
            assert_eq!(cluster_time(bad), None, "{bad:?}");
        }
    }
}
