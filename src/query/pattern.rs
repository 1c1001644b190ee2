//! Patterns of `LIKE`: `%` any text, `_` one character, `\%`, `\_` and `\\` the characters themselves.

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// Any text, also none.
    Any,
    /// Exactly one character.
    One,
    /// This character.
    Char(char),
}

/// What a pattern asks, where it asks something simple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// No wildcard: the whole text.
    Whole(String),
    /// `x%`
    Prefix(String),
    /// `%x`
    Suffix(String),
    /// `%x%`
    Contains(String),
    /// `%`: everything but null.
    Everything,
    /// Anything else.
    Other,
}

/// The pieces of `pattern`.
pub fn pieces(pattern: &str) -> impl Iterator<Item = Piece> {
    let mut chars = pattern.chars().peekable();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Char(chars.next_if(|c| matches!(c, '%' | '_' | '\\')).unwrap_or('\\')),
            c => Piece::Char(c),
        })
    })
}

/// The shape of `pattern`.
pub fn shape(pattern: &str) -> Shape {
    let pieces: Vec<Piece> = pieces(pattern).collect();
    let first = pieces.iter().position(|piece| *piece != Piece::Any);
    let last = pieces.iter().rposition(|piece| *piece != Piece::Any);
    let (Some(first), Some(last)) = (first, last) else {
        return if pieces.is_empty() { Shape::Whole(String::new()) } else { Shape::Everything };
    };
    let mut text = String::new();
    for piece in pieces.get(first..=last).unwrap_or_default() {
        let Piece::Char(c) = piece else { return Shape::Other };
        text.push(*c);
    }
    match (first > 0, last + 1 < pieces.len()) {
        (false, false) => Shape::Whole(text),
        (false, true) => Shape::Prefix(text),
        (true, false) => Shape::Suffix(text),
        (true, true) => Shape::Contains(text),
    }
}

/// Whether `text` matches `pattern`, letters in any case.
///
/// Cost: at most the product of both lengths, no recursion.
pub fn matches(pattern: &str, text: &str) -> bool {
    let fold = |c: char| c.to_lowercase().next().unwrap_or(c);
    let pieces: Vec<Piece> =
        pieces(pattern).map(|piece| if let Piece::Char(c) = piece { Piece::Char(fold(c)) } else { piece }).collect();
    let text: Vec<char> = text.chars().map(fold).collect();
    let (mut p, mut t) = (0, 0);
    // Where to go on after a wrong guess: just past the last `%`, one character later.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pieces.get(p) {
            Some(Piece::Any) => {
                p += 1;
                retry = Some((p, t));
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Char(c)) => text.get(t) == Some(c),
            None => false,
        };
        if step {
            p += 1;
            t += 1;
        } else if let Some((after, from)) = retry {
            (p, t) = (after, from + 1);
            retry = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pieces.get(p..).unwrap_or_default().iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_simple_shapes() {
        assert_eq!(shape("a"), Shape::Whole("a".into()));
        assert_eq!(shape("a%"), Shape::Prefix("a".into()));
        assert_eq!(shape("%a"), Shape::Suffix("a".into()));
        assert_eq!(shape("%%a\\%b%"), Shape::Contains("a%b".into()));
        assert_eq!(shape("%"), Shape::Everything);
        assert_eq!(shape("a%b"), Shape::Other);
        assert_eq!(shape("a_"), Shape::Other);
    }

    #[test]
    fn matches_like_sql() {
        for (pattern, text, hit) in [
            ("a%", "ABC", true),
            ("%c", "abc", true),
            ("%b%", "abc", true),
            ("a_c", "abc", true),
            ("a_c", "abbc", false),
            ("%a%b%a%", "xxaxxbxxa", true),
            ("%ab", "aab", true),
            ("", "", true),
            ("", "a", false),
            ("%", "", true),
            ("100\\%", "100%", true),
            ("100\\%", "1000", false),
            ("ÄRGER%", "ärgerlich", true),
            ("_", "é", true),
        ] {
            assert_eq!(matches(pattern, text), hit, "{pattern} {text}");
        }
        let (pattern, text) = ("%a".repeat(40), "a".repeat(5000) + "b");
        assert!(!matches(&pattern, &text));
    }
}
