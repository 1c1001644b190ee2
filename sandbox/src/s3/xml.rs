//! The XML that is written and read.

use quick_xml::{Reader, XmlVersion, escape::resolve_xml_entity, events::Event};

use super::failure::Failure;

/// A document in the making.
pub(super) struct Xml(String);

impl Xml {
    /// A document of this root, in the namespace of the interface.
    pub(super) fn document(root: &str, inside: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        xml.0.extend(["<", root, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"]);
        inside(&mut xml);
        xml.0.extend(["</", root, ">"]);
        xml.0
    }

    /// A document without namespace, as errors are.
    pub(super) fn bare(root: &str, inside: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned());
        xml.element(root, inside);
        xml.0
    }

    /// An element with what is in it.
    pub(super) fn element(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.0.extend(["<", name, ">"]);
        inside(self);
        self.0.extend(["</", name, ">"]);
    }

    /// An element with a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '&' => escaped.push_str("&amp;"),
                '"' => escaped.push_str("&quot;"),
                // Not XML 1.0 for the most part, but what S3 sends where nobody asked for `encoding-type=url`.
                control if control.is_control() => escaped.extend(["&#x", &format!("{:x}", u32::from(control)), ";"]),
                other => escaped.push(other),
            }
        }
        self.element(name, |xml| xml.0.push_str(&escaped));
    }
}

/// An element that was read.
#[derive(Debug, Default)]
pub(super) struct Node {
    name: String,
    text: String,
    children: Vec<Self>,
}

impl Node {
    /// The root of a document, which has to have this name.
    pub(super) fn read(text: &[u8], root: &str) -> Result<Self, Failure> {
        let node = Self::parse(text).ok_or_else(Failure::malformed_xml)?;
        if node.name == root { Ok(node) } else { Err(Failure::malformed_xml()) }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(text).ok()?);
        let mut open = vec![Self::default()];
        loop {
            let event = reader.read_event().ok()?;
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    let name = start.local_name().as_ref().to_owned();
                    open.push(Self { name, ..Self::default() });
                    if matches!(event, Event::Empty(_)) {
                        Self::close(&mut open)?;
                    }
                }
                Event::End(_) => Self::close(&mut open)?,
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let inner = &mut open.last_mut()?.text;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => inner.push(character),
                        None => inner.push_str(resolve_xml_entity(&reference.xml_content(XmlVersion::Implicit1_0))?),
                    }
                }
                Event::DocType(_) => return None,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        let mut outside = open.pop()?;
        if open.is_empty() && outside.children.len() == 1 { outside.children.pop() } else { None }
    }

    fn close(open: &mut Vec<Self>) -> Option<()> {
        let node = open.pop()?;
        open.last_mut()?.children.push(node);
        Some(())
    }

    /// The children of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(super) fn member(&self, name: &str) -> Option<&str> {
        self.all(name).next().map(|child| child.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_write() {
        let text =
            b"<?xml version='1.0'?><Delete xmlns='x'><Object><Key>a&amp;b&#x20;c</Key></Object><Quiet/></Delete>";
        let node = Node::read(text, "Delete").unwrap();
        let object = node.all("Object").next().unwrap();
        assert_eq!((object.member("Key"), node.member("Quiet")), (Some("a&b c"), Some("")));
        assert!(Node::read(text, "Other").is_err());
        for broken in ["", "<Delete>", "<Delete/><Delete/>", "<!DOCTYPE a><Delete/>"] {
            assert!(Node::read(broken.as_bytes(), "Delete").is_err(), "{broken}");
        }
    }

    #[test]
    fn escapes() {
        let text = Xml::bare("A", |xml| xml.text("Key", "a<b>&\"\r"));
        assert!(text.ends_with("<A><Key>a&lt;b&gt;&amp;&quot;&#xd;</Key></A>"), "{text}");
    }
}
