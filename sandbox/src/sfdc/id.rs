//! Record identifiers: 15 case-sensitive characters, and 3 more that make them safe to compare without case.

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Where the numbering starts, so that identifiers look like those of an organization in use.
const FIRST: u64 = 7_916_842;

/// The 18-character identifier of the record with this number.
pub(super) fn new(prefix: &str, number: u64) -> String {
    let mut rest = number + FIRST;
    let mut digits = [b'0'; 9];
    for digit in digits.iter_mut().rev() {
        *digit = usize::try_from(rest % 62).ok().and_then(|at| DIGITS.get(at)).copied().unwrap_or(b'0');
        rest /= 62;
    }
    let short = format!("{prefix}5e0{}", String::from_utf8_lossy(&digits));
    format!("{short}{}", checks(&short))
}

/// Makes the 18-character form of a well-formed identifier, or nothing of any other text.
///
/// The longer form is accepted in any case as the 3 check characters tell what was upper case.
pub(super) fn normal(text: &str) -> Option<String> {
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    match text.len() {
        15 => Some(format!("{text}{}", checks(text))),
        18 => {
            let (short, check) = (text.get(..15)?, text.get(15..)?.to_ascii_uppercase());
            let mut restored = String::with_capacity(18);
            for (chunk, check) in short.as_bytes().chunks(5).zip(check.bytes()) {
                let bits = CHECKS.iter().position(|candidate| *candidate == check)?;
                for (at, byte) in chunk.iter().enumerate() {
                    let byte = if bits >> at & 1 == 1 { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
                    restored.push(char::from(byte));
                }
            }
            (checks(&restored) == check).then(|| format!("{restored}{check}"))
        }
        _ => None,
    }
}

/// The three characters that tell which of the fifteen are upper case, five to each.
fn checks(short: &str) -> String {
    let check = |chunk: &[u8]| {
        let bits =
            chunk.iter().enumerate().fold(0, |bits, (at, byte)| bits | usize::from(byte.is_ascii_uppercase()) << at);
        CHECKS.get(bits).map_or('A', |byte| char::from(*byte))
    };
    short.as_bytes().chunks(5).map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_the_published_check_characters() {
        assert_eq!(normal("001R0000005hDFY").as_deref(), Some("001R0000005hDFYIA2"));
        assert_eq!(normal("001r0000005hdfyIA2").as_deref(), Some("001R0000005hDFYIA2"));
    }

    #[test]
    fn refuses_what_is_no_identifier() {
        for text in ["", "1", "001R0000005hDFYIA9", "001R0000005hDF-", "001R0000005hDFYI", "é01R0000005hDF"] {
            assert_eq!(normal(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_give_different_identifiers() {
        let (one, two) = (new("003", 1), new("003", 2));
        assert_ne!(one, two);
        assert_eq!(one.len(), 18);
        assert!(one.starts_with("003"));
        assert_eq!(normal(&one).as_deref(), Some(one.as_str()));
    }
}
