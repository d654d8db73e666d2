//! Faults of calls, by rules.

use crate::image::Failure;
use std::time::Duration;

/// A class of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallClass {
    /// Reads of content, names and attributes.
    Read,
    /// Writes and truncations.
    Write,
    /// `fsync` and `fdatasync`, of files and directories.
    Sync,
    /// Creations, renames and removals.
    Name,
    /// `fallocate`.
    Allocate,
}

impl CallClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Sync, Self::Name, Self::Allocate];

    /// Returns true if such a call changes the volatile or the durable state.
    #[must_use]
    pub const fn is_change(self) -> bool {
        !matches!(self, Self::Read)
    }
}

/// The effect of a rule on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The call fails. A failed sync loses changes for good.
    Fail(Failure),
    /// The call takes longer.
    Delay(Duration),
}

/// A rule for some of the calls of a class.
#[derive(Clone, Copy, Debug)]
pub struct FaultRule {
    /// The calls that are counted; none for all.
    pub class: Option<CallClass>,
    /// Number of calls that go through first.
    pub skip: u64,
    /// Number of calls that are affected then.
    pub count: u64,
    /// The effect on them.
    pub effect: Effect,
}

/// Rules with the calls that each has counted.
#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<(FaultRule, u64)>);

impl Faults {
    /// Starts to count.
    pub fn new(rules: impl IntoIterator<Item = FaultRule>) -> Self {
        Self(rules.into_iter().map(|rule| (rule, 0)).collect())
    }

    /// Counts a call, and returns what happens to it. Of several rules the first wins.
    pub fn count(&mut self, class: CallClass) -> Option<Effect> {
        let mut effect = None;
        for (rule, calls) in &mut self.0 {
            if rule.class.is_none_or(|counted| counted == class) {
                *calls += 1;
                if (rule.skip + 1..=rule.skip.saturating_add(rule.count)).contains(calls) {
                    effect = effect.or(Some(rule.effect));
                }
            }
        }
        effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_affects_calls_of_its_class_by_number() {
        let rule = |class, skip, count, effect| FaultRule { class, skip, count, effect };
        let mut faults = Faults::new([
            rule(Some(CallClass::Write), 1, 2, Effect::Fail(Failure::Io)),
            rule(None, 3, u64::MAX, Effect::Fail(Failure::NoSpace)),
        ]);
        let calls = [CallClass::Write, CallClass::Sync, CallClass::Write, CallClass::Write, CallClass::Write];
        let effects: Vec<_> = calls.into_iter().map(|class| faults.count(class)).collect();
        let [io, full] = [Failure::Io, Failure::NoSpace].map(|failure| Some(Effect::Fail(failure)));
        assert_eq!(effects, [None, None, io, io, full]);
    }
}
