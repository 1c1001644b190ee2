//! The consent page.

use crate::{
    core::{PEOPLE, Person},
    http::Form,
};

/// The page on which an end user allows or denies; its form posts back to `action`.
pub(super) fn consent(provider: &str, action: &str, query: &Form) -> String {
    let hidden = |(name, value): (&String, &String)| {
        format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">\n", escape(name), escape(value))
    };
    let hidden = query.iter().map(hidden).collect::<Vec<_>>().concat();
    let option = |person: &Person| {
        format!("<option value=\"{}\">{} ({})</option>", person.number, person.full(), escape(person.email))
    };
    let accounts = PEOPLE.iter().map(option).collect::<Vec<_>>().concat();
    let scope = query.get("scope").map(|scope| format!("<p>It asks for: <code>{}</code></p>", escape(scope)));
    let body = format!(
        "<h1>Connect to the {provider} sandbox</h1>\n\
         <p>The application <b>{client}</b> would like to use your account.</p>\n{scope}\n\
         <form method=\"post\" action=\"{action}\">\n{hidden}\
         <p><label>Account <select name=\"_account\">{accounts}</select></label></p>\n\
         <p><button name=\"_decision\" value=\"allow\">Allow</button>\n\
         <button name=\"_decision\" value=\"deny\">Deny</button></p>\n</form>",
        provider = escape(provider),
        client = escape(query.get("client_id").map_or("", String::as_str)),
        scope = scope.unwrap_or_default(),
    );
    page("Connect", &body)
}

/// The page that shows a code where there is no address to send it to.
pub(super) fn code(code: &str) -> String {
    page("Code", &format!("<h1>Enter this code to finish the process.</h1>\n<p><code id=\"code\">{code}</code></p>"))
}

/// The page that says why a request cannot be shown at all.
pub(super) fn problem(text: &str) -> String {
    page("Error", &format!("<h1>This request cannot be processed</h1>\n<p>{}</p>", escape(text)))
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
         <style>body{{font:16px sans-serif;max-width:32em;margin:4em auto}}button{{font:inherit;padding:.4em 1em}}</style>\n\
         </head><body>\n{body}\n</body></html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_the_request_says() {
        let query = Form::from([("state".to_owned(), "\"><script>".to_owned())]);
        let html = consent("x", "/authorize", &query);
        assert!(!html.contains("<script>"));
        assert!(html.contains("&quot;&gt;&lt;script&gt;"));
    }
}
