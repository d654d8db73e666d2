//! Makes inputs from others: a seed determines which.

use webpush_store::simulation::Random;

/// Maximum length of an input.
const INPUT_BYTES: usize = 4096;
/// Numbers at which parsers change what they do.
const NUMBERS: [u8; 9] = [0, 1, 9, 10, 32, 127, 128, 254, 255];

/// Makes inputs from a corpus and from tokens.
pub struct Mutator<'a> {
    random: Random,
    corpus: &'a [Vec<u8>],
    tokens: &'a [&'a [u8]],
}

impl<'a> Mutator<'a> {
    /// Creates a mutator. The same seed gives the same inputs for the same corpus.
    #[must_use]
    pub const fn new(seed: u64, corpus: &'a [Vec<u8>], tokens: &'a [&'a [u8]]) -> Self {
        Self { random: Random::new(seed), corpus, tokens }
    }

    /// Returns the next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.sample();
        for _ in 0..=self.random.below(5) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES);
        input
    }

    /// Returns an input of the corpus. A corpus that is empty has one, which is empty.
    fn sample(&mut self) -> Vec<u8> {
        let at = self.random.index(self.corpus.len());
        self.corpus.get(at).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.index(input.len());
        let end = at + self.random.index((input.len() - at.min(input.len())).min(32) + 1);
        match self.random.below(9) {
            0 => self.replace(input, at, |random, _| random.number().to_le_bytes()[0]),
            1 => self.replace(input, at, |random, byte| byte ^ 1 << random.below(8)),
            2 => self
                .replace(input, at, |random, byte| byte.wrapping_add(random.below(7) as u8).wrapping_sub(3)),
            3 => self.replace(input, at, |random, _| NUMBERS[random.index(NUMBERS.len())]),
            4 => drop(input.drain(at..end)),
            5 => {
                let copy = input[at..end].to_vec();
                insert(input, at, &copy);
            }
            6 if !self.tokens.is_empty() => {
                let token = self.tokens[self.random.index(self.tokens.len())];
                insert(input, at, token);
            }
            7 => {
                let other = self.sample();
                input.truncate(at);
                input.extend_from_slice(&other[self.random.index(other.len())..]);
            }
            _ => {
                let byte = self.random.number().to_le_bytes()[0];
                insert(input, at, &[byte]);
            }
        }
    }

    fn replace(&mut self, input: &mut [u8], at: usize, change: impl Fn(&mut Random, u8) -> u8) {
        if let Some(byte) = input.get_mut(at) {
            *byte = change(&mut self.random, *byte);
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
