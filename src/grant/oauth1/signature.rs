//! Signatures of RFC 5849: the base string, and the three ways to sign it that need no key pair.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::Hmac;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;
use url::Url;

/// What stays as it is (RFC 5849 section 3.6).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signature {
    /// `HMAC-SHA1`.
    #[default]
    HmacSha1,
    /// `HMAC-SHA256`.
    HmacSha256,
    /// `PLAINTEXT`: the secrets themselves.
    Plaintext,
}

impl Signature {
    /// The name of the method.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::Plaintext => "PLAINTEXT",
        }
    }

    /// The signature of a request with these parameters beside those of its query.
    pub(super) fn sign(self, method: &str, url: &Url, others: &[(String, String)], secrets: (&str, &str)) -> String {
        let key = format!("{}&{}", encode(secrets.0), encode(secrets.1));
        match self {
            Self::HmacSha1 => STANDARD.encode(mac::<Hmac<Sha1>>(&key, &base_string(method, url, others))),
            Self::HmacSha256 => STANDARD.encode(mac::<Hmac<Sha256>>(&key, &base_string(method, url, others))),
            Self::Plaintext => key,
        }
    }
}

fn mac<M: hmac::Mac + hmac::digest::KeyInit>(key: &str, text: &str) -> Vec<u8> {
    // HMAC takes keys of any length: the error cannot come about.
    let Ok(mut mac) = <M as hmac::digest::KeyInit>::new_from_slice(key.as_bytes()) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Percent-encoding as RFC 5849 wants it.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Method, address and all parameters, each encoded, in order (RFC 5849 section 3.4.1).
fn base_string(method: &str, url: &Url, others: &[(String, String)]) -> String {
    let of_query = url.query_pairs().map(|(name, value)| (encode(&name), encode(&value)));
    let mut pairs: Vec<(String, String)> =
        of_query.chain(others.iter().map(|(name, value)| (encode(name), encode(value)))).collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // The URL leaves out a default port, as the base string has to.
    format!(
        "{}&{}&{}",
        method.to_uppercase(),
        encode(&format!("{}{}", url.origin().ascii_serialization(), url.path())),
        encode(&pairs.join("&"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// RFC 5849, section 3.4.1.1 (with the signature of its erratum 2550).
    #[test]
    fn makes_the_base_string_of_the_rfc() {
        let url = Url::parse("http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b").unwrap();
        let others = pairs(&[
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
            ("c2", ""),
            ("a3", "2 q"),
        ]);
        assert_eq!(
            base_string("post", &url, &others),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D\
             %26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
             %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
        let signature = Signature::HmacSha1.sign("POST", &url, &others, ("j49sk3j29djd", "dh893hdasih9"));
        assert_eq!(signature, "r6/TJjbCOr97/+UU0NsvSne7s5g=");
    }

    /// RFC 5849, section 1.2: the photos that a printer gets.
    #[test]
    fn signs_the_requests_of_the_rfc() {
        let secret = "kd94hf93k423kf44";
        let token = Url::parse("https://photos.example.net/token").unwrap();
        let others = pairs(&[
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "hh5s93j4hdidpola"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "walatlh"),
            ("oauth_verifier", "hfdp7dh39dks9884"),
        ]);
        let signed = Signature::HmacSha1.sign("POST", &token, &others, (secret, "hdhd0244k9j7ao03"));
        assert_eq!(signed, "gKgrFCywp7rO0OXSjdot/IHF7IU=");

        let photo = Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let others = |method: &str| {
            pairs(&[
                ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
                ("oauth_token", "nnch734d00sl2jdk"),
                ("oauth_signature_method", method),
                ("oauth_timestamp", "137131202"),
                ("oauth_nonce", "chapoH"),
            ])
        };
        let sign = |how: Signature| how.sign("GET", &photo, &others(how.name()), (secret, "pfkkdhi9sl3r4s00"));
        assert_eq!(sign(Signature::HmacSha1), "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
        // Computed apart from this code.
        assert_eq!(sign(Signature::HmacSha256), "HtMwoX2zenlFjgGg/SNEoKEQmL7CzxYFEKzs7er044Y=");
        assert_eq!(sign(Signature::Plaintext), "kd94hf93k423kf44&pfkkdhi9sl3r4s00");
    }

    #[test]
    fn encodes_all_but_the_unreserved() {
        assert_eq!(encode("a-._~ +*é/"), "a-._~%20%2B%2A%C3%A9%2F");
    }
}
