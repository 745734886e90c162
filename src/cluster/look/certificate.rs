//! When certificates stop being valid. Reads dates and nothing else. Pure.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use rustls::pki_types::{CertificateDer, pem::PemObject};

/// The most certificates of one chain that are looked at.
const CHAIN: usize = 16;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When each certificate in a PEM text stops being valid; what can't be read is left out.
pub(super) fn expiries(pem: &[u8]) -> Vec<Timestamp> {
    CertificateDer::pem_slice_iter(pem).take(CHAIN).filter_map(|der| not_after(&der.ok()?)).collect()
}

/// Whether a PEM text is one certificate and nothing besides.
pub(in crate::cluster) fn is_one(pem: &[u8]) -> bool {
    let mut all = CertificateDer::pem_slice_iter(pem);
    let (Some(Ok(der)), None) = (all.next(), all.next()) else { return false };
    element(SEQUENCE, &der).is_some_and(|(_, rest)| rest.is_empty()) && not_after(&der).is_some()
}

/// The `notAfter` of a DER certificate (RFC 5280, section 4.1).
fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (to_be_signed, _) = element(SEQUENCE, certificate)?;
    let rest = element(VERSION, to_be_signed).map_or(to_be_signed, |(_, rest)| rest);
    let (_serial, rest) = element(INTEGER, rest)?;
    let (_algorithm, rest) = element(SEQUENCE, rest)?;
    let (_issuer, rest) = element(SEQUENCE, rest)?;
    let (validity, _) = element(SEQUENCE, rest)?;
    let (_, _not_before, rest) = any_element(validity)?;
    let (tag, not_after, _) = any_element(rest)?;
    time(tag, not_after)
}

/// The content of the element at the beginning, which must have this tag, and what comes after it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    any_element(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

fn any_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, content: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(content).ok()?;
    let text = match tag {
        UTC_TIME => format!("{}{text}", if text < "50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", text.strip_suffix('Z')?).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

#[cfg(test)]
pub(in crate::cluster) mod tests {
    use super::*;

    /// A certificate that is valid until 2026-02-03T04:05:06Z.
    pub(in crate::cluster) const UNTIL_2026: &str = "\
-----BEGIN CERTIFICATE-----
MIIBFzCBvgIBATAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1zaG9wMS5leGFtcGxl
MB4XDTI0MDEwMjAzMDQwNVoXDTI2MDIwMzA0MDUwNlowGDEWMBQGA1UEAwwNc2hv
cDEuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDgru5OCgZcfhQEQ
iB0Cq0oQLxVHlIbRk+g/cbZDXbPAHZDDTN9hw24xrfcj6TnnO7J/CsgH892oOflL
PEIszvEwCgYIKoZIzj0EAwIDSAAwRQIhAPBSIofk+J+7dmGJchP+L/Cz+g/GMjdd
JuIDxbDqiLAnAiAsHg8Fr+iBQ1c/HnmA5NYZl2JAYH9aakHmpn9Jj3YmPg==
-----END CERTIFICATE-----
";
    const UNTIL_2056: &str = "\
-----BEGIN CERTIFICATE-----
MIIBGDCBwAIBAjAKBggqhkjOPQQDAjAYMRYwFAYDVQQDDA1zaG9wMi5leGFtcGxl
MCAXDTI0MDEwMjAzMDQwNVoYDzIwNTYwMjAzMDQwNTA2WjAYMRYwFAYDVQQDDA1z
aG9wMi5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAESN5jXUzS13fY
Wab2Ur01qxLtv91eyrQNmn9ykBaA3tTjTOnVQQm3bTLY8VURgdgywDn0EUsvApnx
r3fVdPAGOjAKBggqhkjOPQQDAgNHADBEAiBYxGMxIjy1UIacfJinScNndTwyjK7I
pQPp77vRbKEEGAIgKOHFMsBTgCHu59VWjmmMlnHp3zh7XzIAg/Fo/82iLxE=
-----END CERTIFICATE-----
";

    fn dates(pem: &str) -> Vec<String> {
        expiries(pem.as_bytes()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_certificate_of_a_chain_has_its_date() {
        assert_eq!(dates(UNTIL_2026), ["2026-02-03T04:05:06Z"]);
        let chain = format!("{UNTIL_2026}\n{UNTIL_2056}");
        assert!(is_one(UNTIL_2056.as_bytes()) && !is_one(chain.as_bytes()) && !is_one(b""));
        assert_eq!(dates(&chain), ["2026-02-03T04:05:06Z", "2056-02-03T04:05:06Z"]);
    }

    #[test]
    fn what_is_no_certificate_has_no_date() {
        for pem in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        ] {
            assert!(dates(pem).is_empty(), "{pem}");
        }
    }

    #[test]
    fn a_certificate_that_is_cut_or_spoilt_anywhere_is_not_read_past_its_end() {
        let der = CertificateDer::from_pem_slice(UNTIL_2026.as_bytes()).unwrap().to_vec();
        for end in 0..der.len() {
            not_after(&der[..end]);
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut spoilt = der.clone();
                spoilt[end] = byte;
                not_after(&spoilt);
            }
        }
    }

    #[test]
    fn short_years_are_of_the_century_that_the_standard_says() {
        let read = |tag, text: &str| time(tag, text.as_bytes()).map(|time| time.to_string());
        assert_eq!(read(UTC_TIME, "491231235959Z").as_deref(), Some("2049-12-31T23:59:59Z"));
        assert_eq!(read(UTC_TIME, "500101000000Z").as_deref(), Some("1950-01-01T00:00:00Z"));
        assert_eq!(read(GENERALIZED_TIME, "99991231235959Z").as_deref(), None, "beyond what a time can hold");
        assert_eq!(read(UTC_TIME, "491331235959Z"), None);
        assert_eq!(read(INTEGER, "491231235959Z"), None);
    }
}
