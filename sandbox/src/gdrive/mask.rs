//! The `fields` parameter: which members an answer has, as in `nextPageToken,files(id,owners/displayName)`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    failure::{Failure, Outcome},
    shape::members,
};

/// How deep masks go at most.
const DEPTH: usize = 16;

/// Which members of a value are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mask {
    /// All of it.
    All,
    /// These members; `*` stands for every member, each by its mask.
    Some(BTreeMap<String, Mask>),
}

impl Mask {
    /// Reads the mask of an answer of this kind; `default` is meant where there is none.
    pub(super) fn read(given: Option<&String>, kind: &str, default: &str) -> Outcome<Self> {
        let text = given.map(String::as_str).filter(|text| !text.is_empty()).unwrap_or(default);
        let mut parser = Parser { rest: text, whole: text };
        let mask = parser.list(kind, 0)?;
        if parser.rest.is_empty() { Ok(mask) } else { Err(parser.wrong(parser.rest)) }
    }

    /// [`Self::read`] for methods that insist on the parameter.
    pub(super) fn required(given: Option<&String>, kind: &str) -> Outcome<Self> {
        match given.filter(|text| !text.is_empty()) {
            Some(_) => Self::read(given, kind, ""),
            None => Err(Failure::required("fields")),
        }
    }

    /// What the mask leaves of a value.
    pub(super) fn apply(&self, value: &Value) -> Value {
        let Self::Some(wanted) = self else { return value.clone() };
        match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| self.apply(item)).collect()),
            Value::Object(all) => {
                let every = wanted.get("*");
                let kept = all.iter().filter_map(|(name, value)| {
                    let mask = wanted.get(name).or(every)?;
                    Some((name.clone(), mask.apply(value)))
                });
                Value::Object(kept.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Some(mine), Self::Some(others)) => {
                for (name, mask) in others {
                    match mine.get_mut(&name) {
                        Some(known) => known.join(mask),
                        None => {
                            mine.insert(name, mask);
                        }
                    }
                }
            }
            (_, Self::All) => *self = Self::All,
            (Self::All, _) => {}
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    whole: &'a str,
}

impl Parser<'_> {
    fn wrong(&self, what: &str) -> Failure {
        let what = if what.is_empty() { self.whole } else { what };
        Failure::parameter("fields", format!("Invalid field selection {what}"))
    }

    fn list(&mut self, kind: &str, depth: usize) -> Outcome<Mask> {
        let mut mask = self.path(kind, depth)?;
        while let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            mask.join(self.path(kind, depth)?);
        }
        Ok(mask)
    }

    fn path(&mut self, kind: &str, depth: usize) -> Outcome<Mask> {
        let end = self.rest.find([',', '(', ')', '/']).unwrap_or(self.rest.len());
        let (raw, rest) = self.rest.split_at(end);
        let name = raw.trim();
        self.rest = rest;
        let held = match name {
            "*" => "*",
            "" => return Err(self.wrong("")),
            _ if kind == "*" => "*",
            _ => members(kind).iter().find(|(known, _)| *known == name).ok_or_else(|| self.wrong(name))?.1,
        };
        let below = if let Some(rest) = self.rest.strip_prefix('/') {
            self.rest = rest;
            self.below(name, held, depth, Self::path)?
        } else if let Some(rest) = self.rest.strip_prefix('(') {
            self.rest = rest;
            let below = self.below(name, held, depth, Self::list)?;
            self.rest = self.rest.strip_prefix(')').ok_or_else(|| self.wrong(name))?;
            below
        } else {
            Mask::All
        };
        Ok(Mask::Some(BTreeMap::from([(name.to_owned(), below)])))
    }

    fn below(
        &mut self,
        name: &str,
        held: &str,
        depth: usize,
        read: fn(&mut Self, &str, usize) -> Outcome<Mask>,
    ) -> Outcome<Mask> {
        if held.is_empty() || depth >= DEPTH {
            return Err(self.wrong(name));
        }
        read(self, held, depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Outcome<Mask> {
        Mask::read(Some(&text.to_owned()), "FileList", "")
    }

    #[test]
    fn keeps_what_is_named() {
        let answer = json!({
            "kind": "list", "nextPageToken": "x",
            "files": [{"id": "1", "name": "a", "owners": [{"displayName": "Ada", "me": true}], "properties": {"k": "v"}}],
        });
        let kept = |text: &str| read(text).unwrap().apply(&answer);
        assert_eq!(kept("*"), answer);
        assert_eq!(kept("nextPageToken"), json!({"nextPageToken": "x"}));
        assert_eq!(
            kept("files(id, owners/displayName)")["files"][0],
            json!({"id": "1", "owners": [{"displayName": "Ada"}]})
        );
        assert_eq!(kept("files/id,files/name")["files"], json!([{"id": "1", "name": "a"}]));
        assert_eq!(kept("files(properties/k,*)")["files"][0]["owners"][0]["me"], true);
        assert_eq!(kept("files,files/id"), json!({"files": answer["files"]}));
    }

    #[test]
    fn refuses_what_is_not_there() {
        for wrong in ["", "size", "files(size", "files(sise)", "files(id)x", "files/id/x", "a,,b", "files()"] {
            assert!(Mask::required(Some(&wrong.to_owned()), "FileList").is_err(), "{wrong:?}");
        }
    }
}
