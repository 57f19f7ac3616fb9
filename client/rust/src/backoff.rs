use std::time::Duration;

/// The wait before the first retry: short, because most connections are lost to a server
/// that restarts.
const FIRST: Duration = Duration::from_millis(100);
/// Bounds every wait, so that a client is back soon after its server.
const LONGEST: Duration = Duration::from_secs(5);
/// Bounds the wait that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// Returns the wait after a number of failures in a row, counted from 0: what the server
/// asked for, but at least a delay that doubles each time. The delay is random within its
/// upper half, so that many clients do not return at the same moment.
pub(crate) fn delay(failures: u32, asked: Option<Duration>) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.min(16)).min(LONGEST);
    let own = full / 2 + full.mul_f64(fastrand::f64() / 2.0);
    own.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_bound() {
        for (failures, full) in [(0, 100), (1, 200), (3, 800), (6, 5000), (1000, 5000)] {
            let full = Duration::from_millis(full);
            let got = delay(failures, None);
            assert!(
                got >= full / 2 && got <= full,
                "delay({failures}) = {got:?}, want within the upper half of {full:?}"
            );
        }
    }

    #[test]
    fn obeys_the_server_within_reason() {
        assert_eq!(
            delay(0, Some(Duration::from_secs(7))),
            Duration::from_secs(7)
        );
        assert_eq!(delay(0, Some(Duration::MAX)), LONGEST_ASKED);
    }
}
