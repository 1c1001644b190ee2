//! The CRM hub's mapping files, run through the engine against the sandboxes.

mod crm {
    mod records;
    pub(crate) mod support;
}
