//! An element as the catalog lists it: what it is, and, from when that is first needed, what it does.
//!
//! Compiled operations are most of a catalog's memory and of the time it takes to read one, and few installations use
//! many elements. So those that rest on built-in files alone, which the tests of this program have checked, wait until
//! somebody asks for them. Each is compiled once, whoever asks at the same time; what was found wrong with it is kept as
//! well, and is the answer to everybody.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{Element, Identity, Refused, hub::Hub, offer::Offer};

type Compile = Box<dyn Fn() -> Result<Arc<Element>, Refused> + Send + Sync>;

/// One element of the catalog; its [`Identity`] by dereference.
pub struct Entry {
    identity: Arc<Identity>,
    compile: Compile,
    element: OnceLock<Result<Arc<Element>, Refused>>,
    offer: OnceLock<Result<Offer, Refused>>,
}

impl std::ops::Deref for Entry {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.identity
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).field("element", &self.element).finish_non_exhaustive()
    }
}

impl Entry {
    /// An element that is compiled already.
    pub(super) fn compiled(element: Element) -> Self {
        let (identity, element) = (Arc::clone(&element.identity), Arc::new(element));
        let entry = Self::waiting(identity, move || Ok(Arc::clone(&element)));
        entry.element.get_or_init(|| (entry.compile)());
        entry
    }

    /// An element that `compile` makes when it is first asked for.
    pub(super) fn waiting(
        identity: Arc<Identity>,
        compile: impl Fn() -> Result<Arc<Element>, Refused> + Send + Sync + 'static,
    ) -> Self {
        Self { identity, compile: Box::new(compile), element: OnceLock::new(), offer: OnceLock::new() }
    }

    /// The element, compiled now if it was not before. Who asks while another does waits for it.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub fn element(&self) -> Result<&Arc<Element>, &Refused> {
        let made = self.element.get_or_init(|| (self.compile)());
        made.as_ref()
    }

    /// Whether it is compiled.
    pub fn is_compiled(&self) -> bool {
        self.element.get().is_some()
    }

    /// What it carries out of `hub`, which must be its own. What is compiled for this alone is not kept.
    ///
    /// # Errors
    /// What is wrong with its files.
    pub fn offer(&self, hub: &Hub) -> Result<&Offer, &Refused> {
        let made = self.offer.get_or_init(|| match self.element.get() {
            Some(Ok(element)) => Ok(Offer::of(element, hub)),
            Some(Err(refused)) => Err(refused.clone()),
            None => (self.compile)().map(|element| Offer::of(&element, hub)),
        });
        made.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;
    use crate::{
        catalog::{Catalog, Problem, load, serving, source::Files},
        error::{Error, Kind},
    };

    /// Built-in elements as they are when `serve` starts, and one of them.
    fn one() -> (Catalog, String) {
        let catalog = serving::to_serve(Files::default()).unwrap();
        let key = catalog.entries().next().unwrap().key.clone();
        (catalog, key)
    }

    #[test]
    fn who_asks_at_the_same_time_gets_the_same_and_it_is_compiled_once() {
        let (catalog, key) = one();
        let (whole, made) = (catalog.entry(&key).unwrap().clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&made);
        let entry = Arc::new(Entry::waiting(Arc::clone(&whole.identity), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            (whole.compile)()
        }));
        assert!(!entry.is_compiled());
        let barrier = Barrier::new(8);
        let all: Vec<Arc<Element>> = thread::scope(|scope| {
            let ask = || {
                barrier.wait();
                Arc::clone(entry.element().unwrap())
            };
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0]) && Arc::ptr_eq(&one.identity, &entry.identity)));
    }

    #[test]
    fn what_is_wrong_is_told_to_everybody_and_is_a_fault_of_the_gateway() {
        let (catalog, key) = one();
        let made = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&made);
        let entry = Entry::waiting(Arc::clone(&catalog.entry(&key).unwrap().identity), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let message = "is wrong".to_owned();
            Err(Refused(vec![Problem { file: "f.json".to_owned(), pointer: String::new(), message, hint: None }]))
        });
        for _ in 0..2 {
            let error = Error::from(entry.element().unwrap_err());
            assert_eq!(error.kind(), Kind::Internal);
            assert!(std::error::Error::source(&error).unwrap().to_string().contains("f.json"), "{error}");
        }
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_offer_keeps_nothing_else() {
        let (catalog, _) = one();
        let all = load::load(&Files::built_in()).unwrap();
        for entry in catalog.entries() {
            let hub = catalog.hub(&entry.hub).unwrap();
            let offered: Vec<String> = entry.offer(hub).unwrap().operations().map(|one| one.id()).collect();
            assert!(!entry.is_compiled());
            let element = all.element(&entry.key).unwrap().unwrap();
            let mut carried: Vec<String> = element.operations.keys().cloned().collect();
            let mut sorted = offered.clone();
            carried.sort();
            sorted.sort();
            assert_eq!(sorted, carried, "{}", entry.key);
        }
    }
}
