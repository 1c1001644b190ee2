//! Walks JSON text once, checking its grammar exactly as strictly as serde_json reads it.

/// Why a pass stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The text is not JSON.
    Malformed,
    /// It is, but holds something that needs the whole document to be understood: doubled members, say.
    Odd,
}

pub(super) type Pass<T> = Result<T, Stop>;

/// What a value is, as far as copying it needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// There is none.
    #[default]
    Absent,
    Null,
    True,
    False,
    /// A string without escapes.
    Plain,
    /// A string with escapes.
    Escaped,
    /// A whole number whose text is the one that would be written for it.
    Integer,
    /// Any other number.
    Number,
    List,
    Object,
}

/// Containers within each other, at most; the bound of serde_json.
const DEPTH: u32 = 128;

/// A place in a text.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

const ONES: u64 = u64::MAX / 255;

/// Marks, from the lowest on, the bytes of `word` at which a run of plain characters ends: quotes, backslashes and
/// control characters. Marks above the first may be wrong.
#[inline]
fn ends(word: u64) -> u64 {
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = word ^ (ONES * 0x22);
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = word ^ (ONES * 0x5c);
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & (ONES << 7)
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The bytes from `start` to here.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Goes past `expected` if that comes next.
    #[inline]
    pub(super) fn take(&mut self, expected: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(expected));
        if found {
            self.at += expected.len();
        }
        found
    }

    /// The bytes between two places.
    #[inline]
    pub(super) fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Goes past white space; the byte after it.
    #[inline]
    pub(super) fn token(&mut self) -> Pass<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                Some(byte) => return Ok(byte),
                None => return Err(Stop::Malformed),
            }
        }
    }

    /// Goes past the white space at the end of the text.
    pub(super) fn finish(&mut self) -> Pass<()> {
        match self.token() {
            Ok(_) => Err(Stop::Malformed),
            Err(_) => Ok(()),
        }
    }

    /// Goes past a value that begins here, within `depth` containers.
    #[inline]
    pub(super) fn value(&mut self, depth: u32) -> Pass<Kind> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string()
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'{') => self.container(depth).map(|()| Kind::Object),
            Some(b'[') => self.container(depth).map(|()| Kind::List),
            Some(b't') if self.take(b"true") => Ok(Kind::True),
            Some(b'f') if self.take(b"false") => Ok(Kind::False),
            Some(b'n') if self.take(b"null") => Ok(Kind::Null),
            _ => Err(Stop::Malformed),
        }
    }

    /// Enters one more container than `depth`.
    #[inline]
    pub(super) fn deeper(depth: u32) -> Pass<u32> {
        if depth + 1 < DEPTH { Ok(depth + 1) } else { Err(Stop::Malformed) }
    }

    /// Goes past the rest of a string, its opening quote being behind.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "most of a pass is spent here, in a few instructions a time")]
    pub(super) fn string(&mut self) -> Pass<Kind> {
        let mut kind = Kind::Plain;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(kind);
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                    kind = Kind::Escaped;
                }
                _ => return Err(Stop::Malformed),
            }
        }
    }

    /// Goes past plain characters.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "most of a pass is spent here, in a few instructions a time")]
    fn plain(&mut self) {
        while let Some(chunk) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let marks = ends(u64::from_le_bytes(*chunk));
            if marks != 0 {
                self.at += (marks.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
        while let Some(byte) = self.peek() {
            if byte < 0x20 || byte == b'"' || byte == b'\\' {
                return;
            }
            self.at += 1;
        }
    }

    /// Goes past an escape, its backslash being behind.
    fn escape(&mut self) -> Pass<()> {
        let byte = self.peek().ok_or(Stop::Malformed)?;
        self.at += 1;
        match byte {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xd800..=0xdbff if self.take(b"\\u") => match self.hex()? {
                    0xdc00..=0xdfff => Ok(()),
                    _ => Err(Stop::Malformed),
                },
                // Half a character.
                0xd800..=0xdfff => Err(Stop::Malformed),
                _ => Ok(()),
            },
            _ => Err(Stop::Malformed),
        }
    }

    fn hex(&mut self) -> Pass<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or(Stop::Malformed)?;
        self.at += 4;
        digits.iter().try_fold(0, |code, digit| {
            char::from(*digit).to_digit(16).map(|digit| code << 4 | digit).ok_or(Stop::Malformed)
        })
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    #[inline]
    fn number(&mut self) -> Pass<Kind> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        self.at += usize::from(negative);
        let zero = self.peek() == Some(b'0');
        let whole = if zero {
            self.at += 1;
            1
        } else {
            self.digits()
        };
        if whole == 0 {
            return Err(Stop::Malformed);
        }
        match self.peek() {
            Some(b'.' | b'e' | b'E') => self.fraction(start),
            // A digit after a zero is no token that could follow a value, so it is refused there.
            _ if whole <= 18 && !(zero && negative) => Ok(Kind::Integer),
            _ if whole <= 300 => Ok(Kind::Number),
            _ => self.finite(start),
        }
    }

    fn fraction(&mut self, start: usize) -> Pass<Kind> {
        if self.take(b".") && self.digits() == 0 {
            return Err(Stop::Malformed);
        }
        let exponent = self.take(b"e") || self.take(b"E");
        if exponent {
            if !self.take(b"+") {
                self.take(b"-");
            }
            if self.digits() == 0 {
                return Err(Stop::Malformed);
            }
        }
        if exponent || self.at - start > 300 { self.finite(start) } else { Ok(Kind::Number) }
    }

    /// A number that may be too large for anybody.
    #[cold]
    fn finite(&self, start: usize) -> Pass<Kind> {
        match serde_json::from_slice::<serde_json::Number>(self.since(start)) {
            Ok(_) => Ok(Kind::Number),
            Err(_) => Err(Stop::Malformed),
        }
    }

    /// Goes past a member's name and its colon; where the name ended (its closing quote included) and whether it is plain.
    #[inline]
    pub(super) fn name(&mut self) -> Pass<(usize, Kind)> {
        if self.peek() != Some(b'"') {
            return Err(Stop::Malformed);
        }
        self.at += 1;
        let kind = self.string()?;
        let end = self.at;
        self.colon()?;
        Ok((end, kind))
    }

    /// Goes past a colon and the white space around it.
    #[inline]
    pub(super) fn colon(&mut self) -> Pass<()> {
        if self.token()? != b':' {
            return Err(Stop::Malformed);
        }
        self.at += 1;
        self.token().map(drop)
    }

    /// Goes past a container, in which nothing is looked for.
    fn container(&mut self, depth: u32) -> Pass<()> {
        // One bit for each container that is open, the innermost lowest: whether it is an object.
        let mut open = 0_u128;
        let mut levels = 0;
        loop {
            // A value begins here.
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    Self::deeper(depth + levels)?;
                    let object = byte == b'{';
                    self.at += 1;
                    levels += 1;
                    open = open << 1 | u128::from(object);
                    match self.token()? {
                        b'}' if object => {}
                        b']' if !object => {}
                        _ => {
                            if object {
                                self.name()?;
                            }
                            continue;
                        }
                    }
                }
                _ => {
                    self.value(depth)?;
                }
            }
            // And ends here.
            loop {
                let byte = self.token()?;
                self.at += 1;
                match (byte, open & 1 == 1) {
                    (b',', object) => {
                        self.token()?;
                        if object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        levels -= 1;
                        open >>= 1;
                        if levels == 0 {
                            return Ok(());
                        }
                    }
                    _ => return Err(Stop::Malformed),
                }
            }
        }
    }
}

/// Checks that `text` is one JSON value, as serde_json would read it.
///
/// # Errors
/// When it is not.
pub fn check(text: &str) -> Result<(), Stop> {
    let mut scanner = Scanner::new(text);
    scanner.token()?;
    scanner.value(0)?;
    scanner.finish()
}
