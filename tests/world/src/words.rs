//! Reads the lines of stories.

/// Compares a line with a pattern in which each `{}` stands for one word, and returns those words.
pub(crate) fn scan<'l>(pattern: &str, line: &'l str) -> Option<Vec<&'l str>> {
    let mut taken = Vec::new();
    let (mut wanted, mut found) = (pattern.split(' '), line.split(' '));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return Some(taken),
            (Some(wanted), Some(found)) => {
                let (head, tail) = match wanted.split_once("{}") {
                    Some(around) => around,
                    None if wanted == found => continue,
                    None => return None,
                };
                let word = found.strip_prefix(head)?.strip_suffix(tail)?;
                if word.is_empty() {
                    return None;
                }
                taken.push(word);
            }
            (Some(_), None) | (None, Some(_)) => return None,
        }
    }
}

/// Splits a line at its first `, `: what happens, and what comes between.
pub(crate) fn split_trouble(line: &str) -> (&str, Option<&str>) {
    match line.split_once(", ") {
        Some((step, trouble)) => (step, Some(trouble)),
        None => (line, None),
    }
}
