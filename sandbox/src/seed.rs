//! What a new account of a provider for files holds: everywhere the same.

/// A file: its path, its media type and its text.
pub(crate) type File = (&'static str, &'static str, String);

/// The files of an account that belongs to `owner`.
pub(crate) fn files(owner: &str) -> [File; 6] {
    [
        ("/Documents/Welcome.txt", "text/plain", format!("Welcome to this sandbox, {owner}.\n")),
        ("/Documents/Contracts/Lease 2026.txt", "text/plain", "This lease starts on 1 January 2026.\n".repeat(40)),
        ("/Documents/Contracts/Übersicht.csv", "text/csv", "name,amount\nMiete,1200\nStrom,80\n".to_owned()),
        (
            "/Pictures/pixel.svg",
            "image/svg+xml",
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1\" height=\"1\"/>\n".to_owned(),
        ),
        ("/Reports/2026/q1.csv", "text/csv", "month,total\n2026-01,10\n2026-02,12\n2026-03,9\n".to_owned()),
        ("/readme.md", "text/markdown", "# Sandbox\n\nNothing here leaves this machine.\n".to_owned()),
    ]
}
