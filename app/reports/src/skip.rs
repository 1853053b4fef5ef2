//! Goes past a JSON value of any size, checking it on the way (RFC 8259), without holding anything of it.

/// Where in a value the bytes so far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value has to come.
    Value,
    /// A value, or the end of the array that has just begun.
    ValueOrEnd,
    /// A key has to come.
    Key,
    /// A key, or the end of the object that has just begun.
    KeyOrEnd,
    /// Behind a key.
    Colon,
    /// Behind a value in an array or object.
    After,
    /// In a string, which is a key or a value.
    Text {
        key: bool,
    },
    Escape {
        key: bool,
    },
    Hex {
        key: bool,
        left: u8,
    },
    Number(Number),
    /// In `true`, `false` or `null`, of which this is left.
    Word(&'static [u8]),
}

/// Where in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// A value that is being gone past.
pub(crate) struct Skip {
    state: State,
    /// The arrays and objects that are open; true: an object.
    open: Vec<bool>,
    depth_max: usize,
}

/// Why a value cannot be gone past.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Syntax,
    Depth,
}

impl Skip {
    /// At the first byte of a value, in which arrays and objects may lie so deep.
    pub(crate) fn new(depth_max: usize) -> Skip {
        Skip { state: State::Value, open: Vec::new(), depth_max }
    }

    /// How many of these bytes belong to the value, and whether it ends with them; or why the byte behind so many is wrong.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<(usize, bool), (Wrong, usize)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at).copied() {
            let taken = match self.state {
                State::Text { key } => {
                    at += bytes[at..].iter().take_while(|b| **b >= 0x20 && !matches!(b, b'"' | b'\\')).count();
                    let Some(byte) = bytes.get(at) else { break };
                    self.text(*byte, key)
                }
                State::Number(number) => self.number(byte, number),
                _ => self.token(byte),
            };
            let taken = taken.map_err(|wrong| (wrong, at))?;
            at += usize::from(taken);
            if self.state == State::After && self.open.is_empty() {
                return Ok((at, true));
            }
        }
        Ok((bytes.len(), false))
    }

    fn text(&mut self, byte: u8, key: bool) -> Result<bool, Wrong> {
        self.state = match byte {
            b'"' if key => State::Colon,
            b'"' => State::After,
            b'\\' => State::Escape { key },
            _ => return Err(Wrong::Syntax),
        };
        Ok(true)
    }

    /// Whether the byte is still of the number.
    fn number(&mut self, byte: u8, number: Number) -> Result<bool, Wrong> {
        let next = match (number, byte) {
            (Number::Minus, b'0') => Number::Zero,
            (Number::Minus, b'1'..=b'9') | (Number::Integer, b'0'..=b'9') => Number::Integer,
            (Number::Zero | Number::Integer, b'.') => Number::Point,
            (Number::Point | Number::Fraction, b'0'..=b'9') => Number::Fraction,
            (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Number::Exponent,
            (Number::Exponent, b'+' | b'-') => Number::ExponentSign,
            (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => Number::ExponentDigits,
            (Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits, _) => {
                self.state = State::After;
                return Ok(false);
            }
            (Number::Minus | Number::Point | Number::Exponent | Number::ExponentSign, _) => return Err(Wrong::Syntax),
        };
        self.state = State::Number(next);
        Ok(true)
    }

    /// A byte that is in no string and no number. It is always taken.
    fn token(&mut self, byte: u8) -> Result<bool, Wrong> {
        self.state = match (self.state, byte) {
            (State::Escape { key }, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => State::Text { key },
            (State::Escape { key }, b'u') => State::Hex { key, left: 4 },
            (State::Hex { key, left: 1 }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => State::Text { key },
            (State::Hex { key, left }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => State::Hex { key, left: left - 1 },
            (State::Word(rest), byte) if rest[0] == byte => {
                if rest.len() == 1 {
                    State::After
                } else {
                    State::Word(&rest[1..])
                }
            }
            (State::Escape { .. } | State::Hex { .. } | State::Word(_), _) => return Err(Wrong::Syntax),
            (state, b' ' | b'\n' | b'\r' | b'\t') => state,
            (State::Key | State::KeyOrEnd, b'"') => State::Text { key: true },
            (State::Colon, b':') => State::Value,
            (State::After, b',') => match self.open.last() {
                Some(true) => State::Key,
                Some(false) => State::Value,
                None => return Err(Wrong::Syntax),
            },
            (State::KeyOrEnd, b'}') | (State::ValueOrEnd, b']') => self.close(),
            (State::After, b'}') if self.open.last() == Some(&true) => self.close(),
            (State::After, b']') if self.open.last() == Some(&false) => self.close(),
            (State::Value | State::ValueOrEnd, byte) => self.value(byte)?,
            _ => return Err(Wrong::Syntax),
        };
        Ok(true)
    }

    fn value(&mut self, byte: u8) -> Result<State, Wrong> {
        Ok(match byte {
            b'"' => State::Text { key: false },
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            b'{' | b'[' => {
                if self.open.len() >= self.depth_max {
                    return Err(Wrong::Depth);
                }
                self.open.push(byte == b'{');
                if byte == b'{' { State::KeyOrEnd } else { State::ValueOrEnd }
            }
            _ => return Err(Wrong::Syntax),
        })
    }

    fn close(&mut self) -> State {
        self.open.pop();
        State::After
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of a text is its first value, in pieces of so many bytes.
    fn skipped(text: &str, piece: usize) -> Result<Option<usize>, Wrong> {
        let mut skip = Skip::new(4);
        let mut at = 0;
        for bytes in text.as_bytes().chunks(piece) {
            let (amount, done) = skip.step(bytes).map_err(|(wrong, _)| wrong)?;
            at += amount;
            if done {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_value_is_gone_past_as_serde_json_reads_it() {
        let good = [
            "1 ",
            "-0.5e+7,",
            "0]",
            "true,",
            "null}",
            "\"a\\\"\\u00e9\" ",
            "[]",
            "{}",
            "[1,[2,{\"a\":[]}]]x",
            "{\"a\":1,\"b\":\"}\"},",
            " [ 1 , 2 ] ",
            "{ \"a\" : { } }",
            "1e5,",
            "[\"\\\\\"]",
        ];
        for text in good {
            let mut stream = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
            let expected = stream.next().map(|value| value.map(|_| stream.byte_offset()).ok());
            for piece in [1, 2, 3, 100] {
                assert_eq!(skipped(text, piece), Ok(expected.flatten()), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let bad = [
            "[1,]",
            "[,1]",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "[1}",
            "{\"a\":1]",
            "01",
            "-a",
            "1.",
            "1.e1",
            "1e,",
            "tru,",
            "nul]",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\t\"",
            "]",
            "}",
            ",",
            "+1",
            ".5",
            "[1 2]",
            "{\"a\" 1}",
        ];
        for text in bad {
            let text = format!("{text} ");
            let whole = serde_json::from_str::<serde_json::Value>(&text);
            assert!(whole.is_err(), "{text}");
            let found = skipped(&text, 1);
            // `01` is the value 0, with something behind it: whoever asked finds that.
            assert!(found == Err(Wrong::Syntax) || text == "01 " && found == Ok(Some(1)), "{text}: {found:?}");
        }
        assert_eq!(skipped("[[[[[1]]]]]", 2), Err(Wrong::Depth));
        assert_eq!(skipped("[[[[1", 2), Ok(None));
    }
}
