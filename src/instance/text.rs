//! Names and tags as callers send them: markup is taken out, blanks are trimmed.

/// Elements whose content is no text either.
const OPAQUE: [&str; 2] = ["script", "style"];

/// Takes every HTML tag and comment, and the content of `script` and `style`, out of `text`, then trims it.
///
/// Shape: plain text in which `<` was used as a sign ("a < b") stays as it is. Stable: stripping twice changes nothing.
pub fn strip_html(text: &str) -> String {
    let mut current = text.to_owned();
    loop {
        let next = strip_once(&current);
        if next.len() == current.len() {
            return next.trim().to_owned();
        }
        // Taking a tag out can put two halves of another one together ("<<b>b>"), hence the loop; it ends because
        // every round but the last shortens the text.
        current = next;
    }
}

fn strip_once(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, at)) = split_at_tag(rest) {
        kept.push_str(before);
        rest = after_tag(at);
    }
    kept.push_str(rest);
    kept
}

/// The text before the first tag, and the text from its `<` on.
fn split_at_tag(text: &str) -> Option<(&str, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (before, tag) = text.split_at_checked(at)?;
        let second = tag.chars().nth(1)?;
        (second.is_ascii_alphabetic() || matches!(second, '/' | '!' | '?')).then_some((before, tag))
    })
}

/// What follows the tag that `text` begins with; nothing when it is never closed.
fn after_tag(text: &str) -> &str {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.split_once("-->").map_or("", |(_, rest)| rest);
    }
    let Some((tag, rest)) = text.split_once('>') else { return "" };
    let name = tag.trim_start_matches('<').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    if OPAQUE.iter().any(|opaque| name.eq_ignore_ascii_case(opaque)) {
        let closing = format!("</{}", name.to_ascii_lowercase());
        let lower = rest.to_ascii_lowercase();
        let Some(at) = lower.find(&closing) else { return "" };
        return rest.get(at..).map_or("", |tail| tail.split_once('>').map_or("", |(_, rest)| rest));
    }
    rest
}

/// Cleans a list of tags: markup out, blanks trimmed, empty ones and repetitions dropped, order kept.
pub fn clean_tags(tags: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut cleaned: Vec<String> = Vec::new();
    for tag in tags {
        let tag = strip_html(&tag);
        if !tag.is_empty() && !cleaned.contains(&tag) {
            cleaned.push(tag);
        }
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_markup_out_and_leaves_text_alone() {
        for (text, stripped) in [
            ("Acme", "Acme"),
            ("  <b>Acme</b> for tenant 7 ", "Acme for tenant 7"),
            ("<script>alert('1')</script>Acme", "Acme"),
            ("Acme<SCRIPT src=x>steal()</ScRiPt >!", "Acme!"),
            ("<img src=x onerror=alert(1)>Acme", "Acme"),
            ("a < b and c > d", "a < b and c > d"),
            ("<<b>b>Acme", "Acme"),
            ("Acme<!-- a > b -->!", "Acme!"),
            ("Acme<iframe", "Acme"),
            ("1 <3", "1 <3"),
            ("<", "<"),
            ("Ünï<br/>çode", "Ünïçode"),
        ] {
            assert_eq!(strip_html(text), stripped, "{text}");
        }
    }

    #[test]
    fn cleans_tags() {
        let tags = ["a", "<i>b</i>", "", " a ", "<p>"].map(str::to_owned);
        assert_eq!(clean_tags(tags), ["a", "b"]);
    }

    proptest! {
        #[test]
        fn stripping_is_stable_and_leaves_no_tag(text in "[<>/!a-c \\-]{0,24}|\\PC{0,24}") {
            let once = strip_html(&text);
            prop_assert_eq!(&strip_html(&once), &once);
            prop_assert!(split_at_tag(&once).is_none());
        }
    }
}
