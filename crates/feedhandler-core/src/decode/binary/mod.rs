//! Messages with fixed fields: a type code, a length, and a byte permutation.

mod codes;
mod packet;

pub(super) use packet::packet;

use crate::decode::fixed::kernel::KernelKind;
use crate::decode::fixed::message::Message;
use crate::decode::spans::TypeLength;
use crate::layout::RowLayout;
use crate::plan::PlanError;
use crate::spec::{BinaryMessageSpec, CodeSpec, IntSpec};
use codes::Codes;

/// Everything decode knows of a protocol with fixed fields.
#[derive(Debug)]
pub struct BinaryPlan {
    codes: Codes,
    /// The message of each code: one that has several stands here as often. Behind them stands [`Message::unknown`].
    messages: Vec<Message>,
    layouts: Vec<RowLayout>,
    kernel: KernelKind,
}

impl BinaryPlan {
    /// Compiles messages.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside its message or has a width that its kind cannot have.
    pub fn new(code: Option<IntSpec>, specs: &[BinaryMessageSpec]) -> Result<Self, PlanError> {
        // What is not known has the first table's number, so that there must be one.
        if specs.is_empty() || (code.is_none() && specs.len() > 1) {
            let what = format!("a message, and a code that tells several apart, are needed; found {}", specs.len());
            return Err(PlanError::new("messages", what));
        }
        let mut plan =
            Self { codes: Codes::new(code)?, messages: Vec::new(), layouts: Vec::new(), kernel: KernelKind::best() };
        for (spec, table) in specs.iter().zip(0_u16..) {
            if spec.length == 0 {
                return Err(PlanError::new(&spec.name, "a message has at least a byte, or no way leads behind it"));
            }
            let (message, layout) = Message::new(spec, code, table)?;
            plan.add_codes(&spec.codes, &message).map_err(|what| PlanError::new(&spec.name, what))?;
            plan.layouts.push(layout);
        }
        plan.codes.seal(plan.messages.len())?;
        plan.messages.push(Message::unknown());
        Ok(plan)
    }

    fn add_codes(&mut self, codes: &[CodeSpec], message: &Message) -> Result<(), String> {
        if codes.is_empty() {
            self.codes.add_only();
            self.messages.push(message.clone());
        }
        for code in codes {
            self.codes.add(code, self.messages.len())?;
            self.messages.push(message.clone());
        }
        Ok(())
    }

    /// Row layouts, one a message.
    #[must_use]
    pub fn layouts(&self) -> &[RowLayout] {
        &self.layouts
    }

    /// Index of a code, and what it stands for: for the message that begins at `start`, if one does.
    ///
    /// # Safety
    /// `start` must be within the payload of a slot that has slack.
    #[inline(always)]
    unsafe fn message_at(&self, slot: &[u8], start: usize) -> (u16, &Message) {
        // SAFETY: a code ends within the slack, and every value has the index of a message.
        unsafe {
            let code = self.codes.at(slot, start);
            (code, self.messages.get_unchecked(usize::from(code)))
        }
    }
}

impl TypeLength for BinaryPlan {
    fn length_by_type(&self, bytes: &[u8]) -> Option<usize> {
        Some(self.messages[usize::from(self.codes.find(bytes)?)].length)
    }
}
