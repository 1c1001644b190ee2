//! Cutting a query into words, literals and signs.

use super::{super::failure::Failure, at};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name, a keyword, or a relationship path, dots included.
    Word(String),
    /// Characters in quotes, each with whether it was escaped.
    Text(Vec<(char, bool)>),
    /// A number, a date or a point in time, as written.
    Bare(String),
    /// One of `, ( ) = != < <= > >=`.
    Sign(&'static str),
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Characters before it.
    pub(super) at: usize,
}

impl Kind {
    /// How error messages show it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Bare(text) => format!("'{text}'"),
            Self::Text(chars) => format!("'{}'", chars.iter().map(|(c, _)| *c).collect::<String>()),
            Self::Sign(sign) => format!("'{sign}'"),
            Self::End => "<EOF>".to_owned(),
        }
    }
}

/// All tokens of a query, the end included.
pub(super) fn tokens(query: &str) -> Result<Vec<Token>, Failure> {
    let chars: Vec<char> = query.chars().collect();
    let mut found = Vec::new();
    let mut position = 0;
    let get = |position: usize| chars.get(position).copied();
    while let Some(first) = get(position) {
        let start = position;
        position += 1;
        let kind = match first {
            c if c.is_whitespace() => continue,
            ',' => Kind::Sign(","),
            '(' => Kind::Sign("("),
            ')' => Kind::Sign(")"),
            '=' => Kind::Sign("="),
            '!' if get(position) == Some('=') => {
                position += 1;
                Kind::Sign("!=")
            }
            '<' => match get(position) {
                Some('=') => {
                    position += 1;
                    Kind::Sign("<=")
                }
                Some('>') => {
                    position += 1;
                    Kind::Sign("!=")
                }
                _ => Kind::Sign("<"),
            },
            '>' if get(position) == Some('=') => {
                position += 1;
                Kind::Sign(">=")
            }
            '>' => Kind::Sign(">"),
            '\'' => {
                let (text, after) = text(query, &chars, position)?;
                position = after;
                Kind::Text(text)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                while get(position).is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')) {
                    position += 1;
                }
                Kind::Word(chars.iter().take(position).skip(start).collect())
            }
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => {
                let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | ':');
                while get(position).is_some_and(bare) {
                    position += 1;
                }
                Kind::Bare(chars.iter().take(position).skip(start).collect())
            }
            other => {
                return Err(at(
                    query,
                    start,
                    "MALFORMED_QUERY",
                    &format!("line 1:{start} no viable alternative at character '{other}'"),
                ));
            }
        };
        found.push(Token { kind, at: start });
    }
    found.push(Token { kind: Kind::End, at: chars.len() });
    Ok(found)
}

type Quoted = (Vec<(char, bool)>, usize);

/// Reads a text in quotes from after the opening quote; the position after the closing one comes with it.
fn text(query: &str, chars: &[char], start: usize) -> Result<Quoted, Failure> {
    let mut found = Vec::new();
    let mut position = start;
    let get = |position: usize| chars.get(position).copied();
    loop {
        match get(position) {
            None => {
                let message = format!("line 1:{} mismatched character '<EOF>' expecting '''", chars.len());
                return Err(at(query, start - 1, "MALFORMED_QUERY", &message));
            }
            Some('\'') => return Ok((found, position + 1)),
            Some('\\') => {
                let escaped = get(position + 1);
                let meant = match escaped {
                    Some('n' | 'N') => '\n',
                    Some('r' | 'R') => '\r',
                    Some('t' | 'T') => '\t',
                    Some('b' | 'B') => '\u{8}',
                    Some('f' | 'F') => '\u{c}',
                    Some(c @ ('"' | '\'' | '\\' | '_' | '%')) => c,
                    Some('u' | 'U') => {
                        let digits: String = chars.iter().skip(position + 2).take(4).collect();
                        let code = (digits.len() == 4).then(|| u32::from_str_radix(&digits, 16).ok()).flatten();
                        let Some(meant) = code.and_then(char::from_u32) else {
                            return Err(illegal(query, chars, start, 'u'));
                        };
                        position += 4;
                        meant
                    }
                    Some(other) => return Err(illegal(query, chars, start, other)),
                    None => {
                        return Err(at(
                            query,
                            start - 1,
                            "MALFORMED_QUERY",
                            "mismatched character '<EOF>' expecting '''",
                        ));
                    }
                };
                found.push((meant, true));
                position += 2;
            }
            Some(c) => {
                found.push((c, false));
                position += 1;
            }
        }
    }
}

fn illegal(query: &str, chars: &[char], start: usize, escaped: char) -> Failure {
    let shown: String = chars.iter().skip(start).take_while(|c| **c != '\'').collect();
    let message =
        format!("Invalid string literal '{shown}'. Illegal character sequence '\\{escaped}' in string literal");
    at(query, start - 1, "MALFORMED_QUERY", &message)
}
