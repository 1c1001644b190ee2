//! What PROPFIND tells: each property once, those asked for and no others, and of what is not there that it is not
//! (RFC 4918, section 9.1).
//!
//! `dav-server` tells every dead property whatever is asked for, and nothing of what is not there.

use quick_xml::{
    NsReader,
    escape::escape,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};

/// Where a property stands in an answer: in a multistatus, a response, a propstat and a prop.
const PROPERTY: usize = 4;
/// Where a response stands.
const RESPONSE: usize = 1;

/// A property's namespace and name.
type Name = (String, String);

/// What a call asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All there is without being asked for by name.
    All,
    /// The names alone.
    Names,
    /// These.
    These(Vec<Name>),
}

impl Asked {
    /// What a request's body asks for; `None` where it cannot be read.
    pub(super) fn read(body: &str) -> Option<Self> {
        let mut asked = Self::All;
        let mut reader = NsReader::from_str(body);
        let mut depth = 0_usize;
        loop {
            let (namespace, event) = reader.read_resolved_event().ok()?;
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    let name = name(&namespace, start);
                    match (&mut asked, depth) {
                        (Self::These(names), 2) => names.push(name),
                        (_, 1) if name.1 == "propname" => asked = Self::Names,
                        (_, 1) if name.1 == "prop" => asked = Self::These(Vec::new()),
                        _ => {}
                    }
                    depth += usize::from(matches!(event, Event::Start(_)));
                }
                Event::End(_) => depth = depth.checked_sub(1)?,
                Event::Eof => return Some(asked),
                _ => {}
            }
        }
    }

    /// An answer as it should be; `None` where it cannot be read.
    pub(super) fn mended(&self, answer: &str) -> Option<String> {
        let mut mended = Mended { asked: self, answer, text: String::new(), copied: 0, seen: Vec::new() };
        let mut reader = NsReader::from_str(answer);
        let mut depth = 0_usize;
        // The property that is open, and where it began.
        let mut open: Option<(Name, usize)> = None;
        loop {
            let before = usize::try_from(reader.buffer_position()).ok()?;
            let (namespace, event) = reader.read_resolved_event().ok()?;
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    if depth == PROPERTY {
                        open = Some((name(&namespace, start), before));
                    }
                    depth += usize::from(matches!(event, Event::Start(_)));
                }
                Event::End(_) => {
                    depth = depth.checked_sub(1)?;
                    if depth == RESPONSE {
                        mended.response(before)?;
                    }
                }
                Event::Eof => break,
                _ => {}
            }
            if depth == PROPERTY
                && let Some((name, start)) = open.take()
            {
                mended.property(name, start, usize::try_from(reader.buffer_position()).ok()?)?;
            }
        }
        mended.copy(answer.len())?;
        Some(mended.text)
    }
}

/// An answer while it is copied.
struct Mended<'a> {
    asked: &'a Asked,
    answer: &'a str,
    text: String,
    /// How much of the answer is done with.
    copied: usize,
    /// The properties of the response at hand.
    seen: Vec<Name>,
}

impl Mended<'_> {
    fn copy(&mut self, end: usize) -> Option<()> {
        self.text.push_str(self.answer.get(self.copied..end)?);
        self.copied = end;
        Some(())
    }

    /// A property from here to there.
    fn property(&mut self, name: Name, start: usize, end: usize) -> Option<()> {
        self.copy(start)?;
        let wanted = match self.asked {
            Asked::These(names) => names.contains(&name),
            Asked::All | Asked::Names => true,
        };
        if wanted && !self.seen.contains(&name) {
            match self.asked {
                Asked::Names => self.text.push_str(&empty(&name)),
                Asked::All | Asked::These(_) => self.copy(end)?,
            }
        }
        self.copied = end;
        self.seen.push(name);
        Some(())
    }

    /// The end of a response.
    fn response(&mut self, end: usize) -> Option<()> {
        self.copy(end)?;
        let seen = std::mem::take(&mut self.seen);
        let Asked::These(names) = self.asked else { return Some(()) };
        let missing: String = names.iter().filter(|name| !seen.contains(name)).map(empty).collect();
        if !missing.is_empty() {
            for piece in
                ["<D:propstat><D:prop>", &missing, "</D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>"]
            {
                self.text.push_str(piece);
            }
        }
        Some(())
    }
}

fn name(namespace: &ResolveResult<'_>, start: &BytesStart<'_>) -> Name {
    let namespace = match namespace {
        ResolveResult::Bound(Namespace(namespace)) => (*namespace).to_owned(),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
    };
    (namespace, start.local_name().as_ref().to_owned())
}

/// A property without a value.
fn empty((namespace, name): &Name) -> String {
    if namespace.is_empty() { format!("<{name}/>") } else { format!("<P:{name} xmlns:P=\"{}\"/>", escape(namespace)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<D:multistatus xmlns:D='DAV:'><D:response><D:href>/a</D:href><D:propstat><D:prop><D:getetag>1</D:getetag>\
        <own xmlns='urn:x'><D:deep/></own><own xmlns='urn:x'/></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\
        <D:response><D:href>/b</D:href></D:response></D:multistatus>";

    fn mended(asked: &str) -> String {
        let body = format!("<D:propfind xmlns:D='DAV:' xmlns:X='urn:x'>{asked}</D:propfind>");
        Asked::read(&body).unwrap().mended(ANSWER).unwrap()
    }

    #[test]
    fn tells_what_was_asked_for() {
        let told = mended("<D:prop><D:getetag/><X:none/></D:prop>");
        assert!(told.contains("<D:getetag>1</D:getetag>") && !told.contains("own"), "{told}");
        assert_eq!(told.matches("<P:none xmlns:P=\"urn:x\"/>").count(), 2, "{told}");
        assert_eq!(told.matches("<P:getetag xmlns:P=\"DAV:\"/>").count(), 1, "{told}");
        assert_eq!(told.matches("404 Not Found").count(), 2, "{told}");
        assert!(told.ends_with("</D:propstat></D:response></D:multistatus>"), "{told}");
    }

    #[test]
    fn tells_each_once() {
        let told = mended("<D:allprop/>");
        assert_eq!(told, ANSWER.replace("<own xmlns='urn:x'/>", ""));
        assert_eq!(Asked::read("").unwrap().mended(ANSWER), Some(told));
        let named = mended("<D:propname/>");
        assert!(named.contains("<P:own xmlns:P=\"urn:x\"/></D:prop>") && !named.contains("deep"), "{named}");
    }

    #[test]
    fn what_is_no_document_is_not_read() {
        assert_eq!(Asked::read("<a>&"), None);
        assert_eq!(Asked::All.mended("</a>"), None);
    }
}
