//! How rare something is, in words.

use hark_api::{ReturnPeriod, Tier};

/// The return period in words, where it says something: a fact such as an OOM kill is grave however
/// often it happens.
pub(crate) fn words(rarity: Option<ReturnPeriod>) -> Option<String> {
    rarity
        .filter(|period| Tier::from(*period) > Tier::Normal)
        .map(|period| period.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_rare_is_not_told() {
        assert_eq!(words(Some(ReturnPeriod::from_secs(5.0))), None);
        assert_eq!(
            words(Some(ReturnPeriod::WEEK)).as_deref(),
            Some("once in a week")
        );
    }
}
