//! Finds a smaller scenario with the same failure.

use crate::checker::Checker;
use crate::scenario::Scenario;

/// Runs after which the search ends.
const MAX_RUNS: usize = 400;

/// Searches for a scenario that still breaks a rule, with fewer steps, agents and faults.
pub struct Shrinker<'a> {
    checker: &'a mut Checker,
    rule: String,
    runs: usize,
}

impl<'a> Shrinker<'a> {
    /// Creates a search for scenarios that break this rule.
    pub fn new(checker: &'a mut Checker, rule: &str) -> Self {
        Self { checker, rule: rule.to_owned(), runs: 0 }
    }

    /// Returns the smallest scenario that was found.
    ///
    /// # Errors
    /// Fails if the checker does.
    pub fn shrink(mut self, mut scenario: Scenario) -> anyhow::Result<Scenario> {
        loop {
            let before = scenario.clone();
            scenario = self.lower(scenario, |scenario| &mut scenario.steps)?;
            scenario.fault_steps = scenario.fault_steps.min(scenario.steps);
            scenario = self.lower(scenario, |scenario| &mut scenario.fault_steps)?;
            for fault in scenario.faults.clone() {
                let mut smaller = scenario.clone();
                smaller.faults.remove(&fault);
                if self.fails(&smaller)? {
                    scenario = smaller;
                }
            }
            for agent in scenario.agents.clone() {
                let mut smaller = scenario.clone();
                smaller.agents.retain(|other| *other != agent);
                if !smaller.agents.is_empty() && self.fails(&smaller)? {
                    scenario = smaller;
                }
            }
            let is_same = before.command() == scenario.command();
            if is_same || self.runs >= MAX_RUNS {
                return Ok(scenario);
            }
        }
    }

    /// Lowers a number by halves, quarters and so on, as long as the scenario fails.
    fn lower(
        &mut self,
        mut scenario: Scenario,
        number: impl Fn(&mut Scenario) -> &mut usize,
    ) -> anyhow::Result<Scenario> {
        let mut cut = *number(&mut scenario) / 2;
        while cut > 0 {
            let mut smaller = scenario.clone();
            let value = number(&mut smaller);
            *value = value.saturating_sub(cut);
            if *value > 0 && self.fails(&smaller)? {
                scenario = smaller;
            } else {
                cut /= 2;
            }
        }
        Ok(scenario)
    }

    fn fails(&mut self, scenario: &Scenario) -> anyhow::Result<bool> {
        if self.runs >= MAX_RUNS {
            return Ok(false);
        }
        self.runs += 1;
        let (_, report) = self.checker.run(scenario)?;
        Ok(report.violations.iter().any(|violation| violation.rule == self.rule))
    }
}
