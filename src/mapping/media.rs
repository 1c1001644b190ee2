//! Media types, as file names tell them.

/// The media type of a file name's ending; `None` when that is unknown.
pub fn of_name(name: &str) -> Option<&'static str> {
    mime_guess::from_path(name).first_raw()
}

/// Whether a media type says no more than that there are bytes.
pub fn is_vague(kind: &str) -> bool {
    matches!(kind, "application/octet-stream" | "binary/octet-stream")
}
