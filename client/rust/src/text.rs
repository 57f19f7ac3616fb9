use std::fmt::Write;

/// Returns text from a server with its control and direction characters escaped, so that it
/// cannot change what a terminal shows.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // These change the order in which a terminal shows what follows.
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(out, "{}", c.escape_unicode()); // writing to a String cannot fail
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(
            printable("größe\u{1b}[2J\n\u{202e}.txt"),
            "größe\\u{1b}[2J\\n\\u{202e}.txt"
        );
    }
}
