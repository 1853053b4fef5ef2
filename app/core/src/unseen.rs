//! Characters that a reader does not see, or that change how what is around them reads: one list for everything that shows, keeps or refuses
//! text from outside.

/// Whether a character controls a terminal, has no width, turns the direction of text, or fills room that looks empty: control characters
/// (line ends and tabs too, which callers let through where they mean to), Unicode's `Default_Ignorable_Code_Point`, separators that are no line
/// ends, tags, and fillers. The sixteen variation selectors are none of them: with one of them a sign is an emoji.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}
