//! What a reply costs. Pure; knows no provider's list of prices.

use std::time::Duration;

use crate::event::Usage;

/// Millionths of a US dollar per million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Prices {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) output: u64,
}

impl Prices {
    /// A price in dollars; `None` where it is none.
    pub(super) fn read(dollars: f64) -> Option<u64> {
        // A duration is what the standard library makes of a float with its checks, to the millionth.
        u64::try_from(Duration::try_from_secs_f64(dollars).ok()?.as_micros()).ok()
    }

    /// What a reply cost, in millionths of a dollar. Writing to a provider's cache costs a quarter more than reading
    /// afresh; only Anthropic tells of it.
    pub(super) fn of(&self, usage: &Usage, cache_writes: u64) -> u64 {
        let fresh = usage.input.saturating_sub(usage.cached + cache_writes);
        let cost = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let writes = cost(cache_writes, self.input) * 5 / 4;
        let sum = cost(fresh, self.input)
            + writes
            + cost(usage.cached, self.cached)
            + cost(usage.output, self.output);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_costs_what_was_read_cached_and_written() {
        let prices = Prices {
            input: Prices::read(3.0).unwrap(),
            cached: Prices::read(0.3).unwrap(),
            output: Prices::read(15.0).unwrap(),
        };
        let usage = Usage { input: 1_000_000, output: 100_000, cached: 600_000, cost: 0 };
        // 0.6 M cached at 0.30, 0.1 M written at 3.75, 0.3 M fresh at 3.00, 0.1 M out at 15.00
        assert_eq!(prices.of(&usage, 100_000), 180_000 + 375_000 + 900_000 + 1_500_000);
        assert_eq!(prices.of(&Usage { output: 1, ..Usage::default() }, 0), 15);
        assert_eq!(Prices::default().of(&usage, 0), 0);
        let endless = Usage { input: u64::MAX, output: u64::MAX, cached: 0, cost: 0 };
        assert_eq!(prices.of(&endless, 0), u64::MAX);
        for none in [-1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(Prices::read(none), None, "{none}");
        }
    }
}
