//! The query of a call.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use super::lazy::Lazy;
use crate::mapping::{Root, ValueTemplate};

/// The parameters of a call's query.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    all: Vec<(String, ValueTemplate)>,
    /// Whether nothing goes into it but the names of the fields wanted.
    only_select: bool,
    written: Lazy<(Arc<Value>, String)>,
}

impl Parameters {
    /// These, by name.
    pub(super) fn new(all: Vec<(String, ValueTemplate)>) -> Self {
        let mut only_select = true;
        for (_, template) in &all {
            template.visit(&mut |reference| only_select &= reference.root == Root::Select);
        }
        Self { all, only_select, written: Lazy::default() }
    }

    /// Each with its name.
    pub fn all(&self) -> &[(String, ValueTemplate)] {
        &self.all
    }

    /// What `write` makes of them for a call that wants `own`, all fields of its operation: most calls of many operations
    /// have the same query, and where they do it is borrowed.
    ///
    /// # Errors
    /// Those of `write`.
    pub fn written<E>(
        &self,
        own: Option<&Arc<Value>>,
        write: impl Fn() -> Result<String, E>,
    ) -> Result<Cow<'_, str>, E> {
        let Some(own) = own.filter(|_| self.only_select) else { return write().map(Cow::Owned) };
        let (names, text) = match self.written.get() {
            Some(written) => written,
            None => {
                let text = write()?;
                self.written.get_or_make(|| (Arc::clone(own), text))
            }
        };
        // What is shared by several operations may be called for the fields of another.
        if Arc::ptr_eq(names, own) { Ok(Cow::Borrowed(text)) } else { write().map(Cow::Owned) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parameters(templates: &[(&str, &str)]) -> Parameters {
        let compiled =
            templates.iter().map(|(name, text)| ((*name).to_owned(), ValueTemplate::compile(&json!(text)).unwrap()));
        Parameters::new(compiled.collect())
    }

    #[test]
    fn what_is_the_same_for_every_call_is_written_once() {
        let (own, others) = (Arc::new(json!(["a"])), Arc::new(json!(["a"])));
        let write = |text: &str| Ok::<_, ()>(text.to_owned());
        let fixed = parameters(&[("fields", "{select | csv}"), ("archived", "false")]);
        assert_eq!(fixed.written(None, || write("before")), Ok(Cow::Borrowed("before")));
        assert_eq!(fixed.written(Some(&own), || Err(())), Err(()), "a failure is not remembered");
        assert!(matches!(fixed.written(Some(&own), || write("first")), Ok(Cow::Borrowed("first"))));
        assert!(matches!(fixed.written(Some(&own), || write("again")), Ok(Cow::Borrowed("first"))));
        assert_eq!(fixed.written(Some(&others), || write("of others")), Ok(Cow::Borrowed("of others")));
        assert_eq!(fixed.written(None, || write("some fields")), Ok(Cow::Borrowed("some fields")));
        let passing = parameters(&[("fields", "{select | csv}"), ("limit", "{page.size}")]);
        for text in ["one", "two"] {
            assert_eq!(passing.written(Some(&own), || write(text)), Ok(Cow::Borrowed(text)));
        }
    }
}
