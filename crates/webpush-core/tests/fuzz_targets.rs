//! Runs the fuzz targets with deterministic input; see "Fuzzing" in CONTRIBUTING.md.

#[path = "../../../fuzz/targets.rs"]
mod targets;

/// A deterministic random number generator (splitmix64).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or_default()
    }

    /// Concatenates samples and changes a few bytes.
    fn input(&mut self, samples: &[&[u8]]) -> Vec<u8> {
        let parts = self.below(8);
        let mut bytes: Vec<u8> =
            (0..parts).flat_map(|_| samples[self.below(samples.len())].to_vec()).collect();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len().max(1));
            let byte = self.next().to_le_bytes()[0];
            if let Some(old) = bytes.get_mut(at) {
                *old = byte;
            }
        }
        bytes
    }
}

#[test]
fn websocket_with_bytes_of_a_fixed_seed() {
    let samples: [&[u8]; 9] = [
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\x01\x83\x00\x00\x00\x00Hel",
        b"\x80\x82\x00\x00\x00\x00lo",
        b"\x89\x80\x00\x00\x00\x00",
        b"\x8a\x81\x00\x00\x00\x00x",
        b"\x88\x82\x00\x00\x00\x00\x03\xe8",
        b"\x82\xfe\x00\x03\x00\x00\x00\x00abc",
        b"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00a",
        b"\x01\x81\x00\x00\x00\x00\xe2",
    ];
    let mut seeded = Seeded(1);
    for _ in 0..20_000 {
        targets::websocket(&seeded.input(&samples));
    }
}

#[test]
fn autopush_with_bytes_of_a_fixed_seed() {
    let samples: [&[u8]; 13] = [
        b"x{\"messageType\":\"hello\",\"broadcasts\":{\"news\":\"0\"}}\n",
        b"x{\"messageType\":\"hello\",\"uaid\":\"c0ffee0001234567a9abcdef01234567\"}\n",
        b"x{\"messageType\":\"register\",\"channelID\":\"c0ffee00-0123-4567-89ab-cdef01234567\",\"key\":\"B\"}\n",
        b"x{\"messageType\":\"unregister\",\"channelID\":\"x\"}\n",
        b"x{\"messageType\":\"ack\",\"updates\":[{\"version\":\"x\"}]}\n",
        b"x{\"messageType\":\"urgency\",\"min\":\"high\"}\n",
        b"x{\"messageType\":\"urgency\",\"min\":\"low\"}\n",
        b"x{\"messageType\":\"broadcast_subscribe\",\"broadcasts\":{\"x\":\"\"}}\n",
        b"x{}\n",
        b"p\n",
        b"d\n",
        b"s\n",
        b"t123456\n",
    ];
    let mut seeded = Seeded(2);
    for _ in 0..20_000 {
        targets::autopush(&seeded.input(&samples));
    }
}

#[test]
fn chromium_with_bytes_of_a_fixed_seed() {
    let samples: [&[u8]; 9] = [
        b"\x09\x29\x02\x06\x1a\x01\x37\x2a\x01\x39",
        b"\x02\x09\x1a\x01\x37\x2a\x01\x39\x52\x01x",
        b"\x00\x02\x10\x01",
        b"\x01\x00",
        b"\x07\x0c\x10\x01\x1a\x00\x3a\x04\x08\x0d\x12\x00\x50\x03",
        b"\x07\x0f\x10\x01\x1a\x00\x3a\x07\x08\x0c\x12\x03\x0a\x01a\x50\x03",
        b"\x08\x06\x1a\x01x\x2a\x01y",
        b"\x04\x00",
        b"app=a&X-subtype=wp%3Ax&sender=B&delete=true",
    ];
    let mut seeded = Seeded(3);
    for _ in 0..20_000 {
        let mut bytes = seeded.input(&samples);
        // Most inputs are of the right version.
        if let Some(version) = bytes.get_mut(1).filter(|_| seeded.below(8) > 0) {
            *version = 41;
        }
        targets::chromium(&bytes);
    }
}
