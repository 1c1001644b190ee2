//! What an element's mapping files declare: the only place where the uniform suites may make a difference.

use serde_json::Value;

use super::support::{Gateway, Reply};

/// An element and its capability matrix.
pub(crate) struct Element {
    /// Its key.
    pub(crate) key: String,
    matrix: Value,
}

impl Gateway {
    /// The connected elements whose own hub is one of `hubs`, as their files describe them.
    pub(crate) async fn elements_of(&self, hubs: &[&str]) -> Vec<Element> {
        let mut elements = Vec::new();
        for key in self.told["instances"].as_object().unwrap().keys() {
            let mut told = super::support::send(
                self.bare(reqwest::Method::GET, &format!("{}/elements/{key}/metadata?expand=true", self.base)),
            )
            .await
            .expect(200)
            .body;
            if hubs.iter().any(|hub| told["hub"] == *hub) {
                elements.push(Element { key: key.clone(), matrix: told["capabilities"].take() });
            }
        }
        assert!(elements.len() > 1, "a uniform suite compares, but there are {} elements of {hubs:?}", elements.len());
        elements
    }
}

impl Element {
    /// Whether it carries out `resource.operation`.
    pub(crate) fn does(&self, operation: &str) -> bool {
        self.operation(operation)["supported"] == true
    }

    /// Whether `resource.operation` takes `parameter` (or that member of its body), which its hub has.
    pub(crate) fn takes(&self, operation: &str, parameter: &str) -> bool {
        self.operation(operation)["refuses"].get(parameter).is_none()
    }

    /// Whether it has `resource`, one of those that only some providers have.
    pub(crate) fn has(&self, resource: &str) -> bool {
        self.matrix[resource].is_object()
    }

    /// Whether there are records of `resource` below those of `parent`.
    pub(crate) fn has_below(&self, parent: &str, resource: &str) -> bool {
        self.below(parent, resource)["supported"] == true
    }

    /// Why there are none.
    pub(crate) fn lacks_below(&self, parent: &str, resource: &str) -> String {
        let told = self.below(parent, resource);
        told["reason"]
            .as_str()
            .unwrap_or_else(|| panic!("{self}: {resource} below {parent} without a reason"))
            .to_owned()
    }

    /// Whether it carries out `operation` of any object below records of any other.
    pub(crate) fn does_any_child(&self, operation: &str) -> bool {
        let parents = self.matrix["records"]["parents"].as_object().unwrap();
        parents.values().any(|told| told["supported"] == true && told["operations"][operation]["supported"] != false)
    }

    fn below(&self, parent: &str, resource: &str) -> &Value {
        let told = &self.matrix[resource]["parents"][parent];
        assert!(told.is_object(), "{self}: the matrix does not tell of {resource} below {parent}");
        told
    }

    /// Whether records of `resource` have `field`.
    pub(crate) fn reads(&self, resource: &str, field: &str) -> bool {
        self.matrix[resource]["fields"][field]["read"] == true
    }

    /// Whether a new record of `resource` takes `field`.
    pub(crate) fn creates(&self, resource: &str, field: &str) -> bool {
        self.matrix[resource]["fields"][field]["create"] == true
    }

    /// Whether a filter of `resource` may use `operator` on `field`.
    pub(crate) fn filters(&self, resource: &str, field: &str, operator: &str) -> bool {
        let by = &self.matrix[resource]["fields"][field]["where"];
        ["provider", "gateway"]
            .iter()
            .any(|who| by[who].as_array().is_some_and(|all| all.iter().any(|one| one == operator)))
    }

    /// Whether it is `who` (`provider` or `gateway`) that filters records of `resource` by this.
    pub(crate) fn filters_by(&self, resource: &str, field: &str, operator: &str, who: &str) -> bool {
        let by = &self.matrix[resource]["fields"][field]["where"][who];
        by.as_array().is_some_and(|all| all.iter().any(|one| one == operator))
    }

    /// The answer to a call of `operation`, which must have `status` where the element does it; where it is declared
    /// unsupported the answer must say so with the declared reason, and there is nothing further to look at.
    #[track_caller]
    pub(crate) fn answered(&self, operation: &str, reply: Reply, status: u16) -> Option<Reply> {
        let declared = self.operation(operation);
        if declared["supported"] == true {
            assert_eq!(reply.status.as_u16(), status, "{}: {operation}: {}", self.key, reply.body);
            return Some(reply);
        }
        let reason =
            declared["reason"].as_str().unwrap_or_else(|| panic!("{}: {operation} without a reason", self.key));
        assert_eq!(
            (reply.status.as_u16(), &reply.body["code"]),
            (400, &"unsupported".into()),
            "{}: {operation}: {}",
            self.key,
            reply.body
        );
        let message = reply.body["message"].as_str().unwrap_or_default();
        assert!(message.ends_with(reason), "{}: {operation}: {message}", self.key);
        None
    }

    fn operation(&self, operation: &str) -> &Value {
        let (resource, verb) = operation.split_once('.').unwrap();
        let told = &self.matrix[resource]["operations"][verb];
        assert!(told.is_object(), "{}: the matrix does not tell of {operation}", self.key);
        told
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.key)
    }
}
