//! Parts that pages are made of, one file each.

mod completions;
mod controls;
mod copy;
mod fields;
mod findings;
mod flip_log;
mod model_text;
mod notice;
mod pill;
mod prefix_card;
mod queue_place;
mod run_list;
mod stepper;
mod suffix_table;
mod test_numbers;
mod token_row;
mod tokeniser;
mod verdict;

pub use completions::Completions;
pub use controls::Controls;
pub use copy::CopyButton;
pub use fields::{AreaField, CheckField, FieldErrorText, Form, SelectField, TextField};
pub use findings::Findings;
pub use flip_log::FlipLog;
pub use model_text::ModelText;
pub use notice::NoticeBar;
pub use pill::Pill;
pub use prefix_card::PrefixCard;
pub use queue_place::QueuePlace;
pub use run_list::{PhaseBadge, RunList};
pub use stepper::Stepper;
pub use suffix_table::SuffixTable;
pub use token_row::TokenRow;
pub use tokeniser::{Tokeniser, comma_separated};
pub use verdict::Verdict;
