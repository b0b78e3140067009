//! Message types by their code.

use crate::plan::PlanError;
use crate::spec::{CodeValue, MsgpackMessageSpec};

/// Index and table of each code.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// By the value of a small integer.
    small: Vec<u16>,
    other: Vec<(CodeValue, u16)>,
    /// Table of each code.
    pub table: Vec<u16>,
}

pub(super) const NO_CODE: u16 = u16::MAX;
const SMALL_CODES: i64 = 4096;
const MOST_FIXINT: usize = 0x7f;

impl Codes {
    pub fn add(&mut self, spec: &MsgpackMessageSpec, table: u16) -> Result<(), PlanError> {
        if spec.codes.is_empty() {
            self.table.push(table);
        }
        for code in &spec.codes {
            let index = u16::try_from(self.table.len()).unwrap_or(NO_CODE);
            let is_taken = match &code.value {
                CodeValue::Int(value) => self.of_number(*value),
                CodeValue::Text(text) => self.of_text(text.as_bytes()),
            };
            if is_taken.is_some() {
                return Err(PlanError::new(&spec.name, format!("code {} is taken by another message", code.text)));
            }
            match code.value {
                CodeValue::Int(value @ 0..SMALL_CODES) => {
                    let value = usize::try_from(value).unwrap_or_default();
                    self.small.resize(self.small.len().max(value + 1), NO_CODE);
                    self.small[value] = index;
                }
                _ => self.other.push((code.value.clone(), index)),
            }
            self.table.push(table);
        }
        Ok(())
    }

    #[inline]
    pub fn of_number(&self, number: i64) -> Option<usize> {
        let small = usize::try_from(number).ok().and_then(|number| self.small.get(number));
        match small {
            Some(&index) if index != NO_CODE => Some(usize::from(index)),
            _ => self.of_other(|code| *code == CodeValue::Int(number)),
        }
    }

    pub fn of_text(&self, text: &[u8]) -> Option<usize> {
        self.of_other(|code| matches!(code, CodeValue::Text(known) if known.as_bytes() == text))
    }

    /// Index of the code that is written as this one byte; [`NO_CODE`] where there is none.
    pub fn of_fixint(&self, byte: usize) -> u16 {
        if byte > MOST_FIXINT { NO_CODE } else { self.small.get(byte).copied().unwrap_or(NO_CODE) }
    }

    fn of_other(&self, is_it: impl Fn(&CodeValue) -> bool) -> Option<usize> {
        self.other.iter().find(|(code, _)| is_it(code)).map(|(_, index)| usize::from(*index))
    }
}
