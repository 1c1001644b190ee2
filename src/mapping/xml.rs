//! XML as the JSON documents the rest of the language works on, both ways.
//!
//! An element without attributes and children is its text; any other is an object of its children, with its attributes
//! under `@name` and its own text, where there is any, under `#text`. What is repeated is a list, and what the mapping
//! declares a list is one always. Names in a declared namespace have its prefix, whatever prefix the document uses; names in
//! another have the namespace in braces before them.
//!
//! A document with a document type is refused, so there are no entities but the predefined five and characters.

use std::{collections::BTreeSet, fmt::Write as _};

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
    name::ResolveResult,
};
use serde_json::{Map, Value};

use super::{ApplyError, codec::scalar_text};

pub mod multistatus;

/// The deepest nesting that is read or written.
const MAX_DEPTH: usize = 64;

/// Elements and attributes of one document, at most.
const MAX_NODES: usize = 500_000;

/// The names a mapping uses in XML.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary {
    /// Prefix and namespace; the empty prefix is the default namespace.
    pub namespaces: Vec<(String, String)>,
    /// Elements that are lists, also where there is one of them.
    pub lists: BTreeSet<String>,
}

/// An element whose end has not come yet.
struct Open {
    name: String,
    members: Map<String, Value>,
    text: String,
}

impl Vocabulary {
    /// The document in `text`: an object whose only member is the root element.
    ///
    /// # Errors
    /// When it is no well-formed XML, has a document type, or is too deep or too large.
    pub fn read(&self, text: &str) -> Result<Value, ApplyError> {
        let broken = |error: &dyn std::fmt::Display| ApplyError::new(format!("is no well-formed XML: {error}"));
        let mut reader = NsReader::from_str(text);
        let mut root = Map::new();
        let mut open: Vec<Open> = Vec::new();
        let mut nodes = 0_usize;
        loop {
            let event = reader.read_event().map_err(|error| broken(&error))?;
            match event {
                Event::Start(ref start) | Event::Empty(ref start) => {
                    if open.is_empty() && !root.is_empty() {
                        return Err(broken(&"it has more than one root"));
                    }
                    let element = self.open(&reader, start, &mut nodes)?;
                    if open.len() >= MAX_DEPTH || nodes > MAX_NODES {
                        return Err(ApplyError::new("is XML that is nested too deeply or has too many elements"));
                    }
                    open.push(element);
                    if matches!(event, Event::Empty(_)) {
                        self.close(&mut open, &mut root);
                    }
                }
                Event::End(_) => self.close(&mut open, &mut root),
                Event::Text(text) => append(&mut open, &text.xml10_content())?,
                Event::CData(text) => append(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => append(&mut open, &entity(&reference)?)?,
                Event::DocType(_) => return Err(ApplyError::new("is XML with a document type, which is not read")),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => break,
            }
        }
        match (open.is_empty(), root.is_empty()) {
            (true, false) => Ok(Value::Object(root)),
            _ => Err(broken(&"it ends too early")),
        }
    }

    /// An element with its attributes.
    fn open(&self, reader: &NsReader<&[u8]>, start: &BytesStart<'_>, nodes: &mut usize) -> Result<Open, ApplyError> {
        let broken = |error: &dyn std::fmt::Display| ApplyError::new(format!("is no well-formed XML: {error}"));
        let (namespace, local) = reader.resolver().resolve_element(start.name());
        let mut members = Map::new();
        *nodes += 1;
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| broken(&error))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            *nodes += 1;
            let (namespace, local) = reader.resolver().resolve_attribute(attribute.key);
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| broken(&error))?;
            let name = format!("@{}", self.name(&namespace, local.as_ref())?);
            members.insert(name, Value::String(value.into_owned()));
        }
        Ok(Open { name: self.name(&namespace, local.as_ref())?, members, text: String::new() })
    }

    fn close(&self, open: &mut Vec<Open>, root: &mut Map<String, Value>) {
        let Some(mut element) = open.pop() else { return };
        let value = if element.members.is_empty() {
            Value::String(element.text)
        } else {
            if !element.text.trim().is_empty() {
                element.members.insert("#text".to_owned(), Value::String(element.text));
            }
            Value::Object(element.members)
        };
        let parent = open.last_mut().map_or(root, |parent| &mut parent.members);
        match parent.get_mut(&element.name) {
            Some(Value::Array(list)) => list.push(value),
            Some(single) => {
                let first = single.take();
                *single = Value::Array(vec![first, value]);
            }
            None if self.lists.contains(&element.name) => {
                parent.insert(element.name, Value::Array(vec![value]));
            }
            None => {
                parent.insert(element.name, value);
            }
        }
    }

    /// A name as the mapping writes it.
    fn name(&self, namespace: &ResolveResult<'_>, local: &str) -> Result<String, ApplyError> {
        match namespace {
            ResolveResult::Unbound => Ok(local.to_owned()),
            ResolveResult::Bound(namespace) => {
                let uri: &str = namespace.as_ref();
                Ok(match self.namespaces.iter().find(|(_, known)| known == uri) {
                    Some((prefix, _)) if prefix.is_empty() => local.to_owned(),
                    Some((prefix, _)) => format!("{prefix}:{local}"),
                    None => format!("{{{uri}}}{local}"),
                })
            }
            ResolveResult::Unknown(prefix) => {
                Err(ApplyError::new(format!("is no well-formed XML: the prefix `{prefix}` is not declared")))
            }
        }
    }

    /// XML of an object whose only member is the root element.
    ///
    /// # Errors
    /// When it has another shape, a name no element can have, or a character XML cannot carry.
    pub fn write(&self, document: &Value) -> Result<String, ApplyError> {
        let mut roots = document.as_object().into_iter().flatten();
        let (Some((name, root)), None) = (roots.next(), roots.next()) else {
            return Err(ApplyError::new("an XML document has exactly one root element"));
        };
        let mut used = BTreeSet::new();
        let mut inner = String::new();
        self.element(&mut inner, name, root, &mut used, 0)?;
        let mut declared = String::new();
        for (prefix, uri) in self.namespaces.iter().filter(|(prefix, _)| used.contains(prefix.as_str())) {
            let colon = if prefix.is_empty() { "" } else { ":" };
            let _written = write!(declared, " xmlns{colon}{prefix}=\"{}\"", escaped(uri)?);
        }
        let rest = inner.strip_prefix(&format!("<{name}")).unwrap_or_default();
        Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name}{declared}{rest}"))
    }

    fn element<'a>(
        &'a self,
        out: &mut String,
        name: &'a str,
        value: &'a Value,
        used: &mut BTreeSet<&'a str>,
        depth: usize,
    ) -> Result<(), ApplyError> {
        if depth >= MAX_DEPTH {
            return Err(ApplyError::new("is nested too deeply for XML"));
        }
        if let Value::Array(items) = value {
            return items.iter().try_for_each(|item| self.element(out, name, item, used, depth + 1));
        }
        used.insert(self.checked(name)?);
        let _written = write!(out, "<{name}");
        let mut content = String::new();
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    if let Some(attribute) = key.strip_prefix('@') {
                        if attribute.contains(':') {
                            used.insert(self.checked(attribute)?);
                        } else {
                            check_name(attribute)?;
                        }
                        let text = scalar_text(member).unwrap_or_default();
                        let _written = write!(out, " {attribute}=\"{}\"", escaped(&text)?);
                    } else if key == "#text" {
                        content.push_str(&escaped(&scalar_text(member).unwrap_or_default())?);
                    } else if !member.is_null() {
                        self.element(&mut content, key, member, used, depth + 1)?;
                    }
                }
            }
            other => content.push_str(&escaped(&scalar_text(other).unwrap_or_default())?),
        }
        if content.is_empty() {
            out.push_str("/>");
        } else {
            let _written = write!(out, ">{content}</{name}>");
        }
        Ok(())
    }

    /// The prefix of a name that can be written.
    fn checked<'a>(&self, name: &'a str) -> Result<&'a str, ApplyError> {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        check_name(local)?;
        if !prefix.is_empty() && !self.namespaces.iter().any(|(known, _)| known == prefix) {
            return Err(ApplyError::new(format!("the prefix of `{name}` is not declared in the element's `xml`")));
        }
        Ok(prefix)
    }
}

fn check_name(name: &str) -> Result<(), ApplyError> {
    let begins = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if begins && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        Ok(())
    } else {
        Err(ApplyError::new(format!("`{name}` cannot be the name of an XML element or attribute")))
    }
}

fn append(open: &mut [Open], text: &str) -> Result<(), ApplyError> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(ApplyError::new("is no well-formed XML: it has text outside its root")),
    }
    Ok(())
}

/// A character reference or one of the predefined entities.
fn entity(reference: &BytesRef<'_>) -> Result<String, ApplyError> {
    let unknown = || ApplyError::new("is XML with an entity that XML itself does not have");
    if let Some(character) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned).ok_or_else(unknown)
}

/// Text for an element or an attribute in double quotes.
fn escaped(text: &str) -> Result<String, ApplyError> {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(ApplyError::new("a value has a control character, which XML cannot carry"));
            }
            _ => out.push(character),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary {
            namespaces: vec![(String::new(), "urn:list".into()), ("D".into(), "DAV:".into())],
            lists: ["Item".to_owned()].into(),
        }
    }

    #[test]
    fn reads_names_by_their_namespace() {
        let read = |text: &str| vocabulary().read(text).unwrap();
        assert_eq!(
            read(
                "<?xml version='1.0'?><a:L xmlns:a='urn:list' xmlns:x='DAV:' x:n='1' m='2'><x:p/>t<q xmlns='urn:o'>&lt;&#233;</q></a:L>"
            ),
            json!({"L": {"@D:n": "1", "@m": "2", "D:p": "", "{urn:o}q": "<é", "#text": "t"}})
        );
        assert_eq!(read("<L><Item>1</Item></L>"), json!({"L": {"Item": ["1"]}}), "a declared list");
        assert_eq!(
            read("<L><b> 1 </b><b><![CDATA[<2>]]></b></L>"),
            json!({"L": {"b": [" 1 ", "<2>"]}}),
            "a repetition"
        );
    }

    #[test]
    fn refuses_what_could_do_harm() {
        let deep = format!("{}{}", "<a>".repeat(65), "</a>".repeat(65));
        for text in [
            "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
            "<a>&x;</a>",
            "<a b='&x;'/>",
            "<p:a/>",
            "<a></b>",
            "<a>",
            "<a/><b/>",
            "",
            deep.as_str(),
        ] {
            assert!(vocabulary().read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let vocabulary = vocabulary();
        let document = json!({"D:set": {"@m": "\"<", "D:p": "", "Item": [{"Key": "a & <b>\r\n é"}, "2"]}});
        let text = vocabulary.write(&document).unwrap();
        assert_eq!(vocabulary.read(&text).unwrap(), document, "{text}");
        assert!(text.contains("<D:set xmlns=\"urn:list\" xmlns:D=\"DAV:\" m="), "{text}");
        for wrong in
            [json!({"a b": ""}), json!({"x:a": ""}), json!({"a": "\u{1}"}), json!({"a": 1, "b": 2}), json!("a")]
        {
            assert!(vocabulary.write(&wrong).is_err(), "{wrong}");
        }
    }
}
