//! What a page and the switchboard say to each other.
//!
//! The switchboard is a WebAssembly program in a shared web worker: one for all pages of a browser. It holds one
//! socket to each worker and connects the pages to it. To a page it looks like a socket of its own: the texts that go
//! through are those of [`shared::wire`], in both directions.
//!
//! A message is a JavaScript array: a word, then what belongs to it. Texts stay strings of the browser's all the way,
//! so that what is only passed on is never copied into a program.

use js_sys::Array;
use wasm_bindgen::JsValue;

/// What a page says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromPage {
    /// Connect me; said first, and once.
    Dial {
        /// Address of the worker's socket.
        address: String,
    },
    /// A message for the worker.
    Text(String),
    /// So many more texts were read.
    Read(u32),
    /// I am going.
    HangUp,
}

/// What the switchboard says.
#[derive(Clone, Debug, PartialEq)]
pub enum ToPage {
    /// The hello may be said.
    Open,
    /// A message of the worker's: a string.
    Text(JsValue),
    /// So many pages have this socket in common, this one among them.
    Pages(u32),
    /// The socket closed, or could not be opened.
    Closed,
    /// The switchboard does not work in this browser; the console says more.
    Failed,
}

/// A page says at the latest after so many texts that it read them.
pub const READ_EVERY: u32 = 64;

/// A page that has so many texts to read is no longer served: it sleeps, or is gone without a word. When it wakes, it
/// connects again and goes on where it was.
pub const MAX_UNREAD: u32 = 4096;

fn array<const N: usize>(word: &str, rest: [JsValue; N]) -> JsValue {
    let array = Array::of1(&JsValue::from_str(word));
    for value in rest {
        array.push(&value);
    }
    array.into()
}

fn parts(value: &JsValue) -> Option<(String, JsValue)> {
    let array = Array::is_array(value).then(|| Array::from(value))?;
    Some((array.get(0).as_string()?, array.get(1)))
}

fn number(value: &JsValue) -> Option<u32> {
    value.as_f64().map(|number| number as u32)
}

impl FromPage {
    /// As it is posted.
    pub fn to_value(&self) -> JsValue {
        match self {
            FromPage::Dial { address } => array("dial", [JsValue::from_str(address)]),
            FromPage::Text(text) => array("text", [JsValue::from_str(text)]),
            FromPage::Read(texts) => array("read", [JsValue::from(*texts)]),
            FromPage::HangUp => array("hang_up", []),
        }
    }

    /// As it was posted; nothing where it is none of these.
    pub fn from_value(value: &JsValue) -> Option<Self> {
        let (word, rest) = parts(value)?;
        Some(match word.as_str() {
            "dial" => FromPage::Dial { address: rest.as_string()? },
            "text" => FromPage::Text(rest.as_string()?),
            "read" => FromPage::Read(number(&rest)?),
            "hang_up" => FromPage::HangUp,
            _ => return None,
        })
    }
}

impl ToPage {
    /// As it is posted.
    pub fn to_value(&self) -> JsValue {
        match self {
            ToPage::Open => array("open", []),
            ToPage::Text(text) => array("text", [text.clone()]),
            ToPage::Pages(pages) => array("pages", [JsValue::from(*pages)]),
            ToPage::Closed => array("closed", []),
            ToPage::Failed => array("failed", []),
        }
    }

    /// As it was posted; nothing where it is none of these.
    pub fn from_value(value: &JsValue) -> Option<Self> {
        let (word, rest) = parts(value)?;
        Some(match word.as_str() {
            "open" => ToPage::Open,
            "text" => ToPage::Text(rest),
            "pages" => ToPage::Pages(number(&rest)?),
            "closed" => ToPage::Closed,
            "failed" => ToPage::Failed,
            _ => return None,
        })
    }
}
