//! How large the file in a form is, as far as the form's own length tells.

use std::sync::{Arc, Mutex, PoisonError};

/// The most of a form that is looked at for its parts.
const LOOKED_AT: usize = 64 << 10;

/// The beginning of a form as it came in.
#[derive(Clone, Default)]
pub(super) struct Head(Arc<Mutex<Vec<u8>>>);

impl Head {
    /// Notes what came next.
    pub(super) fn record(&self, bytes: &[u8]) {
        let mut head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LOOKED_AT.saturating_sub(head.len());
        head.extend(bytes.iter().take(room));
    }

    /// The size of part `index` of a form of `length` bytes, if it is the last and the form ends as usual.
    pub(super) fn file_size(&self, boundary: &str, index: usize, length: u64) -> Option<u64> {
        let head = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("--{boundary}\r\n");
        let mut at = 0;
        for _ in 0..=index {
            at += find(head.get(at..)?, line.as_bytes())? + line.len();
        }
        let start = at + find(head.get(at..)?, b"\r\n\r\n")? + 4;
        let end = format!("\r\n--{boundary}--\r\n");
        length.checked_sub((start + end.len()) as u64)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_form_tells_its_last_parts_size() {
        let form = b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nabcde\r\n--b--\r\n";
        let head = Head::default();
        for piece in form.chunks(7) {
            head.record(piece);
        }
        assert_eq!(head.file_size("b", 1, form.len() as u64), Some(5));
        assert_eq!(head.file_size("b", 2, form.len() as u64), None);
        assert_eq!(head.file_size("b", 1, 3), None);
    }
}
