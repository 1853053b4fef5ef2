//! HTML in which nothing from outside is markup.

use std::fmt::{self, Display, Write};

/// Text as it is shown.
pub(crate) struct Text<'t>(pub(crate) &'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Text that would be shown in another order than it is in can say what it does not say.
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A path as it is in a URL: nothing of it is markup, a query or a fragment.
pub(super) struct InPath<'t>(pub(super) &'t str);

impl Display for InPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => f.write_char(char::from(byte))?,
                byte => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(Text("<a href='x'>&\"\u{202e}").to_string(), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
